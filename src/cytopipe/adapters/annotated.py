"""Fields with the annotations of other programs: each cell becomes an image, with its mask where it is outlined."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, field_validator

from cytopipe.adapters.annotations.cells import CellReader, OutlinedCell, Part
from cytopipe.adapters.annotations.reading import FormatName, Found, image_size, read_annotations
from cytopipe.adapters.base import Adapter, AnnotatedCell, AnnotatedField, Options, Sample
from cytopipe.adapters.layout import home_of, list_paths, safe_id, split_of
from cytopipe.adapters.names import ImageNames
from cytopipe.adapters.tables import read_table
from cytopipe.core.params import DEVELOPMENT
from cytopipe.data.imaging.boxes import Box, with_margin
from cytopipe.data.imaging.formats import UNREAD_SUFFIXES
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
FOLDER = "folder"  # as options.group


class AnnotatedOptions(Options):
    """Where the fields and their annotations lie, and what their classes mean."""

    images: str = Field(".", description="folder below the source that holds the fields")
    annotations: str = Field(".", description="folder or file below the source that holds the annotations")
    format: FormatName | None = Field(
        None, description="read annotations of this format alone; found from each file if it is not given"
    )
    classes: dict[str, str | None] = Field(
        {},
        description="their class: yours; null leaves it out. Then every class must be named, those without one as "
        "`unclassified`. By default classes keep their names",
    )
    parts: dict[str, Part] = Field(
        {},
        description="their class: the part of a cell that it outlines, nucleus or cytoplasm; others outline cells. A "
        "nucleus belongs to the cell that it lies in",
    )
    normal: tuple[str, ...] = Field((), description="your classes without disease, for: abnormal or normal?")
    margin: NonNegativeFloat = Field(
        0.05, le=2, description="margin around a cell's box as a share of its longer side; as that of screenings"
    )
    group: str | None = Field(
        None,
        description="what must not straddle a split: a column of options.csv, or folder: that of the field. By "
        "default, and at least, the field",
    )
    csv: str | None = Field(None, description="table below the source with a row for each field, for options.group")
    image: str = Field("image", description="column of the table with the file names of the fields")
    absent: Literal["error", "skip"] = Field("error", description="what to do with annotations of images not there")

    @field_validator("classes", "parts", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        """Numbers of classes, which YAML reads as numbers, as texts."""
        if not isinstance(value, dict):
            return value
        return {str(key): str(one) if isinstance(one, int) and not isinstance(one, bool) else one
                for key, one in value.items()}  # fmt: skip


@dataclass(frozen=True)
class _Packed:
    """The palette of a crop in two bits a pixel, because a slide has a hundred thousand cells."""

    shape: tuple[int, int]
    cell: bytes
    nucleus: bytes

    @classmethod
    def of(cls, palette: np.ndarray) -> _Packed:
        height, width = palette.shape
        return cls((height, width), np.packbits(palette > 0).tobytes(), np.packbits(palette > 1).tobytes())

    def unpack(self) -> np.ndarray:
        count = self.shape[0] * self.shape[1]
        planes = [np.unpackbits(np.frombuffer(one, np.uint8), count=count) for one in (self.cell, self.nucleus)]
        palette: np.ndarray = planes[0] + planes[1]
        return palette.reshape(self.shape)


def _read_mask(packed: _Packed, size: tuple[int, int]) -> np.ndarray:
    return packed.unpack()


@dataclass(frozen=True)
class _Annotated:
    """A field as it is read."""

    id: str
    image: Path
    size: tuple[int, int]
    group: str
    split: str | None
    cells: Iterator[OutlinedCell]


def _home(raw: Path, options: AnnotatedOptions) -> Path:
    return home_of(raw, [name for name in (options.csv, options.images, options.annotations) if name])


def _read(raw: Path, options: AnnotatedOptions) -> Iterator[_Annotated]:
    """The fields with their cells, one at a time; a field's cells are read before the next field."""
    if not any(raw.iterdir()):
        raise ADAPTER.not_found(raw, "no field")
    home = _home(raw, options)
    found = read_annotations(home, options.images, options.annotations, options.format)
    found.lookup.log(home / options.annotations)
    _say_absent(found, options, home / options.images)
    groups = _groups(home, found, options)
    root = home / options.images
    splits = {image: _split(image.relative_to(root)) for image in found.images}
    if set(splits.values()) == {"train", "test"}:  # validation images are drawn from train
        splits = {image: DEVELOPMENT if split == "train" else split for image, split in splits.items()}
    reader = CellReader(options.classes, options.parts)
    stems = Counter(image.with_suffix("") for image in found.images)
    for image, annotated in found.images.items():
        size = image_size(image)
        name = image if stems[image.with_suffix("")] > 1 else image.with_suffix("")
        id_ = safe_id(*name.relative_to(root).parts)
        yield _Annotated(id_, image, size, groups.get(image, id_), splits[image], reader.read(annotated, size))
    if said := reader.summary():
        logger.warning("annotations: %s", said)


def _say_absent(found: Found, options: AnnotatedOptions, root: Path) -> None:
    if found.absent:
        name, where = found.absent[0]
        if options.absent == "error":
            hint = "put them into the source, correct options.images, or set options.absent: skip to leave them out"
            if unread := _unread(name, root):
                hint = f"{unread} is of a format that is not read: export it as a TIFF, such as by `vips tiffsave`"
            raise CytopipeError(
                f"{len(found.absent)} annotated images are not there, first '{name}'", where=where, hint=hint
            )
        logger.warning("annotations: %d annotated images are not there, first '%s'", len(found.absent), name)
    if found.unannotated:
        first = found.unannotated[0].name
        logger.warning("%d images have no annotations and are left out, first %s", len(found.unannotated), first)


def _unread(name: str, root: Path) -> str | None:
    """The file, in a format that nothing reads, that annotations seem to mean."""
    wanted = PurePosixPath(name.replace("\\", "/")).name
    files = (path for path in list_paths(root) if path.suffix.lower() in UNREAD_SUFFIXES)
    return next((path.as_posix() for path in files if wanted in (path.name, path.stem)), None)


def _split(path: Path) -> str | None:
    """The split that a folder above a field is named after."""
    return next((split for part in path.parts[:-1] if (split := split_of(part)) is not None), None)


def _groups(home: Path, found: Found, options: AnnotatedOptions) -> dict[Path, str]:
    """The group of each field, where it is not the field itself.

    Raises:
        CytopipeError: there is no such column, a table without a column, or a field has no row or several groups.
    """
    root = home / options.images
    if options.group is None:
        if options.csv is not None:
            raise CytopipeError(
                "a table is given, but no column of it",
                where="options.csv",
                hint="name the column in options.group, such as patient; or leave options.csv out",
            )
        return {}
    if options.csv is None:
        if options.group != FOLDER:
            raise CytopipeError(
                f"options.group names '{options.group}', but there is no table",
                where="options.group",
                hint="name the table in options.csv, or write group: folder",
            )
        return {image: safe_id(*image.relative_to(root).parts[:-1]) or FOLDER for image in found.images}
    table = home / options.csv
    names = {image.relative_to(root).as_posix(): image for image in found.images}
    lookup = ImageNames(names, root)
    groups: dict[Path, str] = {}
    for line, row in read_table(table, (options.image, options.group)):
        name = lookup.find(row[options.image], f"{table}:{line}")
        if name is None:
            continue  # a field without annotations
        if not row[options.group]:
            raise CytopipeError(f"the column '{options.group}' is empty", where=f"{table}:{line}", hint="fill it in")
        if groups.setdefault(names[name], row[options.group]) != row[options.group]:
            raise CytopipeError(f"{name} has two groups", where=f"{table}:{line}", hint="keep one row for each field")
    if lacking := [name for name, image in names.items() if image not in groups]:
        raise CytopipeError(f"{len(lacking)} fields have no row, first {lacking[0]}", where=table, hint="add rows")
    return groups


def _samples(raw: Path, options: AnnotatedOptions) -> Iterator[Sample]:
    for field in _read(raw, options):
        for cell in field.cells:
            crop = with_margin(cell.box, options.margin, *field.size)
            yield Sample(
                f"{field.id}_{cell.number:05d}",
                field.image,
                cell.label,
                field.group,
                field.split,
                _mask_of(cell, crop),
                crop=crop,
                field=field.id,
            )


def _mask_of(cell: OutlinedCell, crop: Box) -> partial[np.ndarray] | None:
    return None if cell.cell is None else partial(_read_mask, _Packed.of(cell.palette(crop)))


def _fields(raw: Path, options: AnnotatedOptions) -> Iterator[AnnotatedField]:
    for field in _read(raw, options):
        cells = tuple(
            AnnotatedCell(
                f"{field.id}_{cell.number:05d}",
                cell.label,
                cell.contour,
                cell.nucleus_contour,
            )
            for cell in field.cells
        )
        if cells:
            yield AnnotatedField(field.id, field.image, field.group, cells)


def _tables(raw: Path, options: AnnotatedOptions) -> Iterator[Path]:
    home = _home(raw, options)
    yield from read_annotations(home, options.images, options.annotations, options.format).files
    if options.csv:
        yield home / options.csv


ADAPTER = Adapter(
    name="annotated",
    title="fields with annotations",
    home="docs/annotations.md",
    layout="images of fields, and files of QuPath (GeoJSON), COCO, Pascal VOC, YOLO, Label Studio, ASAP or CVAT",
    group_key="options.group: a column of options.csv, or folder; otherwise, and at least, the field",
    published_split="folders named train, val and test; without val, images for validation are drawn from train",
    classes=(),
    options=AnnotatedOptions,
    samples=_samples,
    fields=_fields,
    tables=_tables,
)
