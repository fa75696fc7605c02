"""manifest.csv: the table that every stage after `organize` reads, one row per image, sorted by id."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path

from cytopipe.core.params import SPLITS
from cytopipe.errors import CytopipeError


@dataclass(frozen=True, slots=True)
class Row:
    """One image.

    `path` is a POSIX path below data/organized/<dataset>; `mask_path` one below the folder of the stage that made the
    mask, data/organized/<dataset> or data/masks/<dataset>. Both mask columns are empty for an image without a mask.
    `source` is the publisher's file, a POSIX path below data/raw/<dataset>/files.
    `width` and `height` are pixels of the stored image (of the tensor, in the tensors' manifest).
    `pixel_size_um` is the side of a pixel of the stored image in micrometres; None, an empty field, if unknown.
    `attributes` are values by the names in `options.attributes`, numbers as the names of their bins; each is a further
    column, `a_` and its name.
    """

    id: str
    path: str
    label: str
    class_index: int
    split: str
    group: str
    width: int
    height: int
    sha256: str
    mask_path: str = ""
    mask_sha256: str = ""
    source: str = ""
    pixel_size_um: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


COLUMNS = tuple(one.name for one in fields(Row) if one.name != "attributes")
ATTRIBUTE = "a_"  # begins the name of a column with an attribute
_NUMBERS = ("class_index", "width", "height", "pixel_size_um")


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as they come, in constant memory.

    Raises:
        CytopipeError: when two rows have the same id, or they are not in id order.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        coming = iter(rows)
        first = next(coming, None)
        attributes = tuple(first.attributes) if first else ()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *(ATTRIBUTE + name for name in attributes)])
        last = ""
        for row in chain([first] if first else [], coming):
            if row.id <= last:
                raise CytopipeError(f"the id '{row.id}' follows '{last}': ids must be unique and sorted", where=path)
            values = [getattr(row, name) for name in COLUMNS]
            writer.writerow([*values, *(row.attributes[name] for name in attributes)])
            last = row.id


def iter_manifest(path: Path) -> Iterator[Row]:
    """Read rows one by one, in id order (constant memory).

    Raises:
        CytopipeError: when the file is missing, a column is missing, or a value is not of its type.
    """
    if not path.is_file():
        raise CytopipeError("no such manifest", where=path, hint="run the stage that writes it: dvc repro")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise CytopipeError(
                f"columns are missing: {', '.join(missing)}",
                where=path,
                hint="run organize again: dvc repro --force organize@NAME",
            )
        for line, values in enumerate(reader, start=2):
            yield _parse(values, f"{path}:{line}")


def read_manifest(path: Path) -> list[Row]:
    """All rows, in id order.

    Raises:
        CytopipeError: as `iter_manifest`.
    """
    return list(iter_manifest(path))


def _parse(values: dict[str, str], where: str) -> Row:
    if None in values or None in values.values():
        raise CytopipeError("this row has another number of values than the header", where=where)
    try:
        row = Row(
            **{name: values[name] for name in COLUMNS if name not in _NUMBERS},
            attributes={
                name.removeprefix(ATTRIBUTE): value for name, value in values.items() if name.startswith(ATTRIBUTE)
            },
            class_index=int(values["class_index"]),
            width=int(values["width"]),
            height=int(values["height"]),
            pixel_size_um=float(values["pixel_size_um"]) if values["pixel_size_um"] else None,
        )
    except ValueError as error:
        raise CytopipeError(f"not a manifest row: {error}", where=where) from None
    if row.split not in SPLITS:
        raise CytopipeError(f"split is '{row.split}', not one of {', '.join(SPLITS)}", where=where)
    return row
