"""Your own images: a folder with a CSV of labels, or an ImageFolder (one sub-folder per class)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from cytopipe.adapters.base import Adapter, Sample, read_csv
from cytopipe.adapters.folder_masks import MaskFinder, MaskOptions, images_without_masks
from cytopipe.adapters.layout import SPLIT_WORDS, GroupPattern, group_by_pattern, list_images
from cytopipe.errors import CytopipeError


class FolderOptions(MaskOptions):
    """How your folder is laid out. Without `csv`, sub-folders are the classes."""

    csv: str | None = Field(None, description="path below the source; columns are named by the keys below")
    image: str = Field("image", description="column of the image's path below `images`, with or without suffix")
    label: str = Field("label", description="column of the class")
    group: str | None = Field(None, description="column of the patient, slide or specimen")
    split: str | None = Field(None, description="column with train, val or test, for split.kind: published")
    pixel_size: str | None = Field(None, description="column of the side of a pixel, in micrometres")
    images: str = Field(".", description="folder below the source that holds the images")
    group_pattern: GroupPattern | None = Field(
        None, description="regular expression; its first parenthesis, in the path below `images`, is the group"
    )
    classes: tuple[str, ...] = Field((), description="refuse other labels; also gives the order of the classes")
    normal: tuple[str, ...] = Field((), description="classes without disease, for: abnormal or normal?")
    unlisted: bool = Field(False, description="allow images that the CSV does not name (they are left out)")


def _samples(raw: Path, options: FolderOptions) -> Iterator[Sample]:
    root = raw / options.images
    if not root.is_dir():
        raise CytopipeError(f"no folder '{options.images}' in the source", where=raw, hint="correct options.images")
    files = [root / name for name in list_images(root)]
    finder = MaskFinder(raw, root, files, options)
    files = images_without_masks(files, raw, options)
    rows = _from_csv(raw, root, files, options) if options.csv else _from_folders(root, files)
    count = 0
    for image, label, group, split, mask, pixel_size in rows:
        count += 1
        if options.classes and label not in options.classes:
            raise CytopipeError(
                f"the label '{label}' is not in options.classes",
                where=image,
                hint="correct the label, or add it to options.classes (exclude_classes leaves its images out)",
            )
        name = image.relative_to(root).with_suffix("").as_posix()
        yield Sample(
            re.sub(r"[^\w.-]+", "_", name.replace("/", "__")),
            image,
            label,
            group or (group_by_pattern(name, options.group_pattern) if options.group_pattern else name),
            split,
            finder.reader(image, mask),
            pixel_size,
        )
    finder.finish(count)


# image, label, group, split, mask, micrometres a pixel
Found = tuple[Path, str, str | None, str | None, str | None, float | None]


def _from_csv(raw: Path, root: Path, files: list[Path], options: FolderOptions) -> Iterator[Found]:
    table = raw / str(options.csv)
    optional = [name for name in (options.group, options.split, options.mask, options.pixel_size) if name]
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
        size = micrometres(row[options.pixel_size], where) if options.pixel_size else None
        yield image, row[options.label], row[options.group] if options.group else None, split, mask, size
    rest = [path for path in files if path not in seen and path.relative_to(raw).as_posix() not in masks]
    if rest and not options.unlisted:
        raise CytopipeError(
            f"{len(rest)} images have no row, first {rest[0].relative_to(raw)}",
            where=table,
            hint="add rows, or set options.unlisted: true to leave them out",
        )


def _from_folders(root: Path, files: list[Path]) -> Iterator[Found]:
    for image in files:
        parts = image.relative_to(root).parts[:-1]
        if not parts:
            raise CytopipeError(
                "an image outside the class folders", where=image, hint="name the labels' file in options.csv"
            )
        split = SPLIT_WORDS.get(parts[0].lower()) if len(parts) > 1 else None
        yield image, parts[1] if split else parts[0], None, split, None, None


def _split(value: str, where: str) -> str:
    if value.lower() not in SPLIT_WORDS:
        raise CytopipeError(f"the split '{value}' is not train, val or test", where=where)
    return SPLIT_WORDS[value.lower()]


def micrometres(value: str, where: str) -> float | None:
    """The side of a pixel that a table gives; None where it gives none.

    Raises:
        CytopipeError: it is no positive number.
    """
    try:
        size = float(value.replace(",", ".")) if value else None
    except ValueError:
        size = -1.0
    if size is not None and not (math.isfinite(size) and size > 0):
        raise CytopipeError(
            f"'{value}' is no side of a pixel in micrometres", where=where, hint="give a number such as 0.25, or none"
        )
    return size


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
