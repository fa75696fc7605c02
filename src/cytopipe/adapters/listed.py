"""Images that a table lists: a row for each, with its class, group, split and mask."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from cytopipe.adapters.alike import alike, nearest
from cytopipe.adapters.attributes import refuse_unknown_columns
from cytopipe.adapters.folder_masks import MaskOptions
from cytopipe.adapters.layout import SPLIT_WORDS, list_images, split_of
from cytopipe.adapters.levels import words_of_levels
from cytopipe.adapters.names import ImageNames
from cytopipe.adapters.tables import Row, columns_of, read_table
from cytopipe.errors import CytopipeError

# image, label, group, split, mask, micrometres a pixel, attributes
Found = tuple[Path, str, str | None, str | None, str | None, float | None, dict[str, str]]


class TableOptions(MaskOptions):
    """How the table that lists the images is read."""

    csv: str | None = Field(
        None, description="path of the table (CSV or .xlsx) below the source; columns are named by the keys below"
    )
    csv_encoding: str | None = Field(None, description="encoding of the table, such as gbk, where it is not found")
    csv_sheet: str | None = Field(None, description="sheet of the .xlsx workbook, where several hold a table")
    image: str = Field("image", description="column of the image's path below `images`, with or without suffix")
    label: str = Field("label", description="column of the class")
    group: str | None = Field(None, description="column of the patient, slide or specimen")
    split: str | None = Field(None, description="column with train, val or test, for split.kind: published")
    pixel_size: str | None = Field(None, description="column of the side of a pixel, in micrometres")
    folders: str | None = None
    unlisted: bool = Field(False, description="allow images that the table does not name (they are left out)")


def listed_images(raw: Path, root: Path, files: list[Path], options: TableOptions) -> Iterator[Found]:
    """The images that the rows of the table name.

    Args:
        raw: folder of the source.
        root: folder of the images.
        files: the images below `root`.
        options: with `csv`.

    Raises:
        CytopipeError: for a row without an image, several rows of one image, an image without a row, an empty cell.
    """
    table = raw / str(options.csv)
    optional = [name for name in (options.group, options.split, options.mask, options.pixel_size) if name]
    attributes = _attributes(table, optional, options)
    columns = (options.image, options.label, *optional, *attributes)
    rows = list(read_table(table, columns, encoding=options.csv_encoding, sheet=options.csv_sheet))
    everything = list_images(raw)
    folders = {part for path in everything for part in path.parent.parts} - {*root.relative_to(raw).parts}
    names = ImageNames((path.relative_to(root).as_posix() for path in files), root, folders)
    images = _images(table, root, names, rows, options)
    _refuse_repeated(table, images, rows, options)
    seen, masks = set(images), set()
    others = (path.as_posix() for path in everything if raw / path not in seen) if options.mask else ()
    mask_names = ImageNames(others, raw)
    for (line, row), image in zip(rows, images, strict=True):
        where = f"{table}:{line}"
        if not row[options.label]:
            raise CytopipeError("the label is empty", where=where, hint="name a class, or remove the row and the image")
        if options.group and not row[options.group]:
            raise CytopipeError("the group is empty", where=where, hint="an image without one could leak into a split")
        mask = _mask(raw, image, row[options.mask], mask_names, where) if options.mask else None
        masks.add(mask)
        split = _split(row[options.split], where) if options.split else None
        size = micrometres(row[options.pixel_size], where) if options.pixel_size else None
        group = row[options.group] if options.group else None
        yield image, row[options.label], group, split, mask, size, {name: row[name] for name in attributes}
    rest = [path for path in files if path not in seen and path.relative_to(raw).as_posix() not in masks]
    if rest and not options.unlisted:
        raise CytopipeError(
            f"{len(rest)} images have no row, first {rest[0].relative_to(raw)}",
            where=table,
            hint="add rows, or set options.unlisted: true to leave them out",
        )


def _attributes(table: Path, others: list[str], options: TableOptions) -> list[str]:
    """The attributes that this table holds."""
    levels = {alike(word) for word in words_of_levels(options.folders or "")}
    names = [name for name in options.attributes if alike(name) not in levels and not options.attributes_table]
    for name in options.attributes:
        if alike(name) in (alike(options.image), alike(options.label)) or name in others:
            role = "label" if alike(name) == alike(options.label) else "image, group, split, mask or pixel size"
            raise CytopipeError(
                f"the attribute '{name}' is the column of the {role}",
                where="options.attributes",
                hint="an attribute is another column, such as the site, the scanner or the age; results by class and "
                "over groups are given anyway",
            )
    if names:
        header = columns_of(table, encoding=options.csv_encoding, sheet=options.csv_sheet)
        refuse_unknown_columns(table, header, names, "options.attributes")
    return names


def _images(table: Path, root: Path, names: ImageNames, rows: list[Row], options: TableOptions) -> list[Path]:
    """The image of each row."""
    found = [names.find(row[options.image], f"{table}:{line}") for line, row in rows]
    lacking = [row for row, name in zip(rows, found, strict=True) if name is None]
    if lacking:
        line, row = lacking[0]
        near = ", ".join(map(repr, names.near(row[options.image])))
        what = f"'{row[options.image]}' has no image in {root}"
        if len(lacking) > 1:
            what += f", nor have {len(lacking) - 1} more of {len(rows)} rows"
        if not row[options.image]:
            what = f"the column '{options.image}' is empty"
        raise CytopipeError(
            what, where=f"{table}:{line}", hint=f"the nearest: {near}" if near else "correct the row, or options.images"
        )
    names.log(table)
    return [root / name for name in found if name is not None]


def _refuse_repeated(table: Path, images: list[Path], rows: list[Row], options: TableOptions) -> None:
    """Refuse a table with several rows of one image, as tables of boxes or objects have them."""
    places: dict[Path, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        places[image].append(index)
    repeated = {image: found for image, found in places.items() if len(found) > 1}
    if not repeated:
        return
    image, (first, second, *_) = next(iter(repeated.items()))
    labels = list(dict.fromkeys(rows[index][1][options.label] for index in repeated[image]))
    name, earlier = rows[second][1][options.image], rows[first][1][options.image]
    what = f"'{name}' stands in line {rows[first][0]} already"
    if earlier != name:
        what += f", as '{earlier}': both mean {image.name}"
    if len(labels) > 1:
        what += f", under another label ({', '.join(labels[:4])})"
    hint = "keep one of the rows"
    if len(repeated) > 1:
        what += f"; {len(repeated)} images have several rows"
        hint = "keep one row for each image; a table with a row for each object of an image needs one label an image"
    raise CytopipeError(what, where=f"{table}:{rows[second][0]}", hint=hint)


def _mask(raw: Path, image: Path, value: str, names: ImageNames, where: str) -> str | None:
    """The mask that a cell names, below `raw`; what is written there if no file is called so; None of an empty cell."""
    is_exact = not value or (raw / value).is_file()
    found = value if is_exact else names.find(value, where) or value
    if found and raw / found == image:
        raise CytopipeError(
            f"'{value}' is the image itself, not its mask", where=where, hint="write the mask's own path in this column"
        )
    return found or None


def _split(value: str, where: str) -> str:
    split = split_of(value)
    if split is None:
        words = {alike(name): name for name in SPLIT_WORDS}
        near = nearest(value, words)
        raise CytopipeError(
            f"the split '{value}' is not train, val or test",
            where=where,
            hint=f"did you mean '{SPLIT_WORDS[words[alike(near[0])]]}'?" if near else "write train, val or test",
        )
    return split


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
