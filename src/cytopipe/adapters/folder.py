"""Your own images: a folder with a CSV of labels, or an ImageFolder (one sub-folder per class)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import Field, ValidationInfo, field_validator

from cytopipe.adapters.alike import CLASS, alike, nearest, same_text
from cytopipe.adapters.base import Adapter, Sample
from cytopipe.adapters.class_levels import placed, read_class_levels
from cytopipe.adapters.folder_masks import MaskFinder, refuse_unstated_masks, without_masks
from cytopipe.adapters.layout import GroupPattern, group_by_pattern, home_of, images_of, list_paths, logger
from cytopipe.adapters.levels import Levels, levels_with_attributes, meanings_of
from cytopipe.adapters.listed import Found, TableOptions, listed_images
from cytopipe.adapters.read_levels import read_levels
from cytopipe.core.params import DEVELOPMENT
from cytopipe.errors import CytopipeError


class FolderOptions(TableOptions):
    """How your folder is laid out. Without `csv`, sub-folders are the classes."""

    images: str = Field(".", description="folder below the source that holds the images")
    folders: str | None = Field(
        None,
        description="what the folders below `images` mean, from the top: split, class, group, any or one of "
        "attributes, as in split/group/class; decided from the tree if it is not given",
    )
    group_pattern: GroupPattern | None = Field(
        None, description="regular expression; its first parenthesis, in the path below `images`, is the group"
    )
    classes: tuple[str, ...] = Field((), description="refuse other labels; also gives the order of the classes")
    normal: tuple[str, ...] = Field((), description="classes without disease, for: abnormal or normal?")
    suffix: str | None = Field(
        None, description="take only images of this suffix, such as .bmp, where masks lie beside under the same name"
    )

    @field_validator("folders")
    @classmethod
    def _as_written(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            plain, places = levels_with_attributes(value, info.data.get("attributes", ()))
            named = {place: name for name, place in places.items()}
            value = "/".join(named.get(place, word) for place, word in enumerate(plain.split("/")))
        return value

    @property
    def levels(self) -> tuple[str | None, dict[str, int]]:
        """What the folders mean, and the level of each attribute among them."""
        return levels_with_attributes(self.folders, self.attributes) if self.folders else (None, {})


def _samples(raw: Path, options: FolderOptions) -> Iterator[Sample]:
    home = _home(raw, options)
    root = home / options.images
    if not root.is_dir():
        raise CytopipeError(f"no folder '{options.images}' in the source", where=raw, hint="correct options.images")
    paths = list_paths(root)
    finder = MaskFinder(home, root, [root / name for name in images_of(paths)], options, options.suffix)
    paths = without_masks(paths, root, home, options)
    if options.suffix:
        paths = _of_suffix(root, paths, options.suffix)
    if options.csv:
        files = [root / name for name in images_of(paths)]
        refuse_unstated_masks(files, options)
        rows = _with_folders(root, list(listed_images(home, root, files, options)), options)
    else:
        levels, images = read_class_levels(root, paths, options.levels[0], masks=options.mask_suffix != "")
        rows = [
            (image, str(at.label), at.group, at.split, None, None, _of_folders(path, levels, options))
            for (image, at), path in zip(placed(root, images, levels), images, strict=True)
        ]
        root = root / levels.top
    for image, label, group, split, mask, pixel_size, attributes in _with_validation(rows):
        name = image.relative_to(root).with_suffix("").as_posix()
        if options.group_pattern and not options.group:
            group = group_by_pattern(name, options.group_pattern)
        yield Sample(
            re.sub(r"[^\w.-]+", "_", name.replace("/", "__")),
            image,
            _class(label, image, options),
            group or name,
            split,
            finder.reader(image, mask),
            pixel_size_um=pixel_size,
            attributes=attributes,
        )
    finder.finish(len(rows))


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


def _of_suffix(root: Path, paths: list[PurePosixPath], suffix: str) -> list[PurePosixPath]:
    found = [path for path in paths if path.suffix.lower().lstrip(".") == suffix.lower().lstrip(".")]
    if not found:
        raise CytopipeError(f"no image ends in '{suffix}'", where=root, hint="correct options.suffix")
    return found


def _home(raw: Path, options: FolderOptions) -> Path:
    """The folder that the paths of the options start from: `raw`, or the one folder of an archive that holds them."""
    return home_of(raw, [name for name in (options.csv, options.images, options.masks) if name])


def _with_folders(root: Path, rows: list[Found], options: FolderOptions) -> list[Found]:
    """Rows of a table with the group and the split that options.folders finds in the images' folders."""
    stated = meanings_of(options.levels[0])
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
    return [
        (*row[:2], row[2] or at.group, row[3] or at.split, *row[4:6], {**row[6], **_of_folders(image, levels, options)})
        for row, at, image in zip(rows, places, images, strict=True)
    ]


def _of_folders(image: PurePosixPath, levels: Levels, options: FolderOptions) -> dict[str, str]:
    """The attributes that options.folders finds in an image's folders; its path is below options.images."""
    top = len(levels.top.parts)
    return {name: image.parts[top + place] for name, place in options.levels[1].items()}


def _with_validation(rows: list[Found]) -> list[Found]:
    """Rows whose published split can be used: of train and test alone, validation images are drawn from train."""
    if {row[3] for row in rows} != {"train", "test"}:
        return rows
    logger.info("the split has no images for validation: with split.kind: published they are drawn from train")
    return [(*row[:3], DEVELOPMENT if row[3] == "train" else row[3], *row[4:]) for row in rows]


def _classes(options: FolderOptions) -> tuple[str, ...]:
    return options.classes


def _tables(raw: Path, options: FolderOptions) -> Iterator[Path]:
    if options.csv:
        yield _home(raw, options) / options.csv


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
    tables=_tables,
)
