"""Your own images: a folder with a CSV of labels, or an ImageFolder (one sub-folder per class)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from cytopipe.adapters.alike import CLASS, alike, nearest, same_text
from cytopipe.adapters.base import Adapter, MaskReader, Sample
from cytopipe.adapters.layout import SPLIT_WORDS, GroupPattern, group_by_pattern, list_images
from cytopipe.adapters.listed import Found, TableOptions, listed_images
from cytopipe.data.imaging.decode import read_values
from cytopipe.data.imaging.masks import to_palette
from cytopipe.errors import CytopipeError


class FolderOptions(TableOptions):
    """How your folder is laid out. Without `csv`, sub-folders are the classes."""

    images: str = Field(".", description="folder below the source that holds the images")
    masks: str | None = Field(None, description="folder below the source with a .png mask of each image's name")
    mask_values: dict[int, Literal[0, 1, 2]] = Field(
        default={0: 0, 1: 1, 2: 2}, description="your mask's value -> 0 background, 1 cytoplasm, 2 nucleus"
    )
    group_pattern: GroupPattern | None = Field(
        None, description="regular expression; its first parenthesis, in the path below `images`, is the group"
    )
    classes: tuple[str, ...] = Field((), description="refuse other labels; also gives the order of the classes")
    normal: tuple[str, ...] = Field((), description="classes without disease, for: abnormal or normal?")
    suffix: str | None = Field(
        None, description="take only images of this suffix, such as .bmp, where masks lie beside under the same name"
    )


def _samples(raw: Path, options: FolderOptions) -> Iterator[Sample]:
    root = raw / options.images
    if not root.is_dir():
        raise CytopipeError(f"no folder '{options.images}' in the source", where=raw, hint="correct options.images")
    files = [root / name for name in list_images(root)]
    if options.suffix:
        files = [path for path in files if path.suffix.lower().lstrip(".") == options.suffix.lower().lstrip(".")]
        if not files:
            raise CytopipeError(f"no image ends in '{options.suffix}'", where=root, hint="correct options.suffix")
    if options.masks and raw / options.masks != root:
        files = [path for path in files if not path.is_relative_to(raw / options.masks)]
    rows = listed_images(raw, root, files, options) if options.csv else _from_folders(root, files)
    for image, label, group, split, mask in rows:
        name = image.relative_to(root).with_suffix("").as_posix()
        yield Sample(
            re.sub(r"[^\w.-]+", "_", name.replace("/", "__")),
            image,
            _class(label, image, options),
            group or (group_by_pattern(name, options.group_pattern) if options.group_pattern else name),
            split,
            _mask(raw, image, root, mask, options),
        )


def _class(label: str, image: Path, options: FolderOptions) -> str:
    """The label as options.classes write it, if they are given."""
    if not options.classes:
        return label
    if (same := same_text(label, options.classes)) is not None:
        return same
    like = [name for name in options.classes if alike(name) == alike(label)]
    if like and options.label_spellings == "merge":
        return like[0]
    near = like or nearest(label, options.classes, 1, CLASS)
    raise CytopipeError(
        f"the label '{label}' is not in options.classes" + (f"; did you mean '{near[0]}'?" if near else ""),
        where=image,
        hint="correct the label, or add it to options.classes (exclude_classes leaves its images out)"
        + ("; options.label_spellings: merge takes both for one" if like else ""),
    )


def _from_folders(root: Path, files: list[Path]) -> Iterator[Found]:
    for image in files:
        parts = image.relative_to(root).parts[:-1]
        if not parts:
            raise CytopipeError(
                "an image outside the class folders", where=image, hint="name the labels' file in options.csv"
            )
        split = SPLIT_WORDS.get(parts[0].lower()) if len(parts) > 1 else None
        yield image, parts[1] if split else parts[0], None, split, None


def _mask(raw: Path, image: Path, root: Path, listed: str | None, options: FolderOptions) -> MaskReader | None:
    if listed:
        return partial(_read_mask, raw / listed, options.mask_values)
    if options.masks:
        beside = (raw / options.masks / image.relative_to(root)).with_suffix(".png")
        return partial(_read_mask, beside, options.mask_values)
    return None


def _read_mask(path: Path, meaning: Mapping[int, int], size: tuple[int, int]) -> np.ndarray:
    if not path.is_file():
        raise CytopipeError("no such mask", where=path, hint="every image of the dataset needs its mask, or none")
    return to_palette(read_values(path), meaning, path)


def _classes(options: FolderOptions) -> tuple[str, ...]:
    return options.classes


ADAPTER = Adapter(
    name="folder",
    title="a folder of your own images",
    home="README.md, 'Your own images'",
    layout="a CSV with the columns image, label[, group][, split][, mask], or one sub-folder per class",
    group_key="options.group (a column) or options.group_pattern (of the path); otherwise each image is its own",
    classes=(),
    options=FolderOptions,
    order=_classes,
    published_split="options.split (a column), or the folders train/, val/ and test/ above those of the classes",
    samples=_samples,
)
