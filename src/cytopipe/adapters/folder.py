"""Your own images: a folder with a CSV of labels, or an ImageFolder (one sub-folder per class)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from pydantic import Field

from cytopipe.adapters.base import Adapter, MaskReader, Options, Sample, read_csv
from cytopipe.adapters.class_levels import placed, read_class_levels
from cytopipe.adapters.layout import GroupPattern, group_by_pattern, home_of, images_of, list_paths, logger, split_of
from cytopipe.adapters.levels import FolderLevels, meanings_of
from cytopipe.adapters.read_levels import read_levels
from cytopipe.core.params import DEVELOPMENT
from cytopipe.data.imaging.decode import read_values
from cytopipe.data.imaging.masks import to_palette
from cytopipe.errors import CytopipeError


class FolderOptions(Options):
    """How your folder is laid out. Without `csv`, sub-folders are the classes."""

    csv: str | None = Field(None, description="path below the source; columns are named by the keys below")
    image: str = Field("image", description="column of the image's path below `images`, with or without suffix")
    label: str = Field("label", description="column of the class")
    group: str | None = Field(None, description="column of the patient, slide or specimen")
    split: str | None = Field(None, description="column with train, val or test, for split.kind: published")
    mask: str | None = Field(None, description="column with the path of the mask")
    images: str = Field(".", description="folder below the source that holds the images")
    folders: FolderLevels | None = Field(
        None,
        description="what the folders below `images` mean, from the top: split, class, group or any, as in "
        "split/group/class; decided from the tree if it is not given",
    )
    masks: str | None = Field(None, description="folder below the source with a .png mask of each image's name")
    mask_values: dict[int, Literal[0, 1, 2]] = Field(
        default={0: 0, 1: 1, 2: 2}, description="your mask's value -> 0 background, 1 cytoplasm, 2 nucleus"
    )
    group_pattern: GroupPattern | None = Field(
        None, description="regular expression; its first parenthesis, in the path below `images`, is the group"
    )
    classes: tuple[str, ...] = Field((), description="refuse other labels; also gives the order of the classes")
    normal: tuple[str, ...] = Field((), description="classes without disease, for: abnormal or normal?")
    unlisted: bool = Field(False, description="allow images that the CSV does not name (they are left out)")


def _samples(raw: Path, options: FolderOptions) -> Iterator[Sample]:
    home = _home(raw, options)
    root = home / options.images
    if not root.is_dir():
        raise CytopipeError(f"no folder '{options.images}' in the source", where=raw, hint="correct options.images")
    paths = [
        path for path in list_paths(root) if not (options.masks and (root / path).is_relative_to(home / options.masks))
    ]
    if options.csv:
        rows = list(_from_csv(home, root, [root / name for name in images_of(paths)], options))
        rows = _with_folders(root, rows, options)
    else:
        levels, images = read_class_levels(root, paths, options.folders)
        rows = [(image, str(at.label), at.group, at.split, None) for image, at in placed(root, images, levels)]
        root = root / levels.top
    for image, label, group, split, mask in _with_validation(rows):
        if options.classes and label not in options.classes:
            raise CytopipeError(
                f"the label '{label}' is not in options.classes",
                where=image,
                hint="correct the label, or add it to options.classes (exclude_classes leaves its images out)",
            )
        name = image.relative_to(root).with_suffix("").as_posix()
        if options.group_pattern and not options.group:
            group = group_by_pattern(name, options.group_pattern)
        yield Sample(
            re.sub(r"[^\w.-]+", "_", name.replace("/", "__")),
            image,
            label,
            group or name,
            split,
            _mask(home, image, home / options.images, mask, options),
        )


Found = tuple[Path, str, str | None, str | None, str | None]  # image, label, group, split, mask


def _home(raw: Path, options: FolderOptions) -> Path:
    """The folder that the paths of the options start from: `raw`, or the one folder of an archive that holds them."""
    return home_of(raw, [name for name in (options.csv, options.images, options.masks) if name])


def _from_csv(raw: Path, root: Path, files: list[Path], options: FolderOptions) -> Iterator[Found]:
    table = raw / str(options.csv)
    optional = [name for name in (options.group, options.split, options.mask) if name]
    by_name = {path.relative_to(root).as_posix(): path for path in files}
    by_stem = {Path(name).with_suffix("").as_posix(): path for name, path in by_name.items()}
    seen: dict[Path, int] = {}
    masks = set()
    for line, row in read_csv(table, (options.image, options.label, *optional)):
        where = f"{table}:{line}"
        image = by_name.get(row[options.image]) or by_stem.get(row[options.image])
        if image is None:
            raise CytopipeError(f"'{row[options.image]}' has no image in {root}", where=where, hint="correct the row")
        if image in seen:
            raise CytopipeError(
                f"'{row[options.image]}' stands in line {seen[image]} already", where=where, hint="keep one of the rows"
            )
        if not row[options.label]:
            raise CytopipeError("the label is empty", where=where, hint="name a class, or remove the row and the image")
        if options.group and not row[options.group]:
            raise CytopipeError("the group is empty", where=where, hint="an image without one could leak into a split")
        seen[image] = line
        mask = row[options.mask] if options.mask else None
        masks.add(mask)
        split = _split(row[options.split], where) if options.split else None
        yield image, row[options.label], row[options.group] if options.group else None, split, mask
    rest = [path for path in files if path not in seen and path.relative_to(raw).as_posix() not in masks]
    if rest and not options.unlisted:
        raise CytopipeError(
            f"{len(rest)} images have no row, first {rest[0].relative_to(raw)}",
            where=table,
            hint="add rows, or set options.unlisted: true to leave them out",
        )


def _with_folders(root: Path, rows: list[Found], options: FolderOptions) -> list[Found]:
    """Rows of a table with the group and the split that options.folders finds in the images' folders."""
    stated = meanings_of(options.folders)
    if not stated:
        return rows
    if "class" in stated:
        raise CytopipeError(
            "options.csv names the labels, and options.folders a class",
            where=root,
            hint="write any in place of class in options.folders, or remove options.csv",
        )
    images = [PurePosixPath(row[0].relative_to(root)) for row in rows]
    levels = read_levels(images, root, stated)
    places = [levels.place(image) for image in images]
    return [(*row[:2], row[2] or at.group, row[3] or at.split, *row[4:]) for row, at in zip(rows, places, strict=True)]


def _with_validation(rows: list[Found]) -> list[Found]:
    """Rows whose published split can be used: of train and test alone, validation images are drawn from train."""
    if {row[3] for row in rows} != {"train", "test"}:
        return rows
    logger.info("the split has no images for validation: with split.kind: published they are drawn from train")
    return [(*row[:3], DEVELOPMENT if row[3] == "train" else row[3], *row[4:]) for row in rows]


def _split(value: str, where: str) -> str:
    split = split_of(value)
    if split is None:
        raise CytopipeError(f"the split '{value}' is not train, val or test", where=where)
    return split


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
    layout="a CSV with the columns image, label[, group][, split][, mask]; or a folder for each class, as class/image, "
    "split/class/image, patient/class/image",
    group_key="options.group (a column), options.group_pattern (of the path) or group in options.folders (folders "
    "named as patients or slides are known); otherwise each image is its own",
    classes=(),
    options=FolderOptions,
    order=_classes,
    published_split="options.split (a column), or folders named train, val and test, as in split/class; without val, "
    "images for validation are drawn from train",
    samples=_samples,
)
