"""The found cells of a screening: how many of each class, the most telling with their pictures, and the table of all.

The table is in the page as one binary column a quantity, some 20 bytes a cell: a hundred thousand cells are 3 MB, and
the script shows one page of them.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.drawing import CLASS_COLOURS
from cytopipe.report.pictures import Picture, photograph, shrink
from cytopipe.report.read import ScreeningResults
from cytopipe.results.screening import TELLING, THUMBNAILS, FoundCell

MOST = 100_000  # cells of a screening in the page
FIRST = 25  # of them in the page without its script, too
CUT_OUT, FIELD = 120, 300  # longer side of the pictures, pixels
NOWHERE = 65_535  # a number that is not known, or a class that is none
_SHARES = 10_000  # steps of a probability


@dataclass(frozen=True)
class Density:
    """Found cells of one class: colour of its outlines, number, share, mean per field, and the most in a field."""

    label: str
    colour: str
    cells: int
    share: float
    per_field: float
    most: int
    most_in: str


@dataclass(frozen=True)
class FoundView:
    """The found cells of a screening, prepared for the template.

    Attributes:
        fields: thumbnails by field, with the number of cells found there.
        density: by class, in class order.
        telling: pictures of the cells that matter most.
        by_abnormality: whether these are the most abnormal, not the most doubtful.
        first: the first rows of the table.
        shown, total: number of cells in the page, and of all.
    """

    fields: Sequence[tuple[str, int, Picture]]
    density: Sequence[Density]
    telling: Sequence[tuple[FoundCell, Picture]]
    by_abnormality: bool
    first: Sequence[FoundCell]
    shown: int
    total: int


def found_view(one: ScreeningResults) -> FoundView:
    """Prepare the found cells of a screening; pictures are missing in results of an earlier version."""
    cells = one.found.telling
    thumbnails, cut_outs = one.files.figures / THUMBNAILS, one.files.figures / TELLING
    of_field = Counter(cell.field for cell in one.found.rows)
    fields = [
        (row.field, of_field[row.field], photograph(shrink(read_png(path), FIELD), 75))
        for row in one.fields
        if (path := thumbnails / f"{row.field}.png").is_file()
    ]
    telling = [
        (cell, photograph(shrink(read_png(path), CUT_OUT)))
        for cell in cells[: len(list(cut_outs.glob("*.png")))]
        if (path := cut_outs / f"{cell.name}.png").is_file()
    ]
    rated = any(cell.abnormal is not None for cell in cells)
    return FoundView(fields, _density(one), telling, rated, cells[:FIRST], min(MOST, len(cells)), len(cells))


def _density(one: ScreeningResults) -> list[Density]:
    counts = Counter(cell.label for cell in one.found.rows)
    by_field = Counter((cell.label, cell.field) for cell in one.found.rows)
    found, fields = len(one.found.rows), [row.field for row in one.fields]
    densities = []
    known = one.details.per_class  # all classes in class order, by which `screening.picture` gives colours
    for place, label in enumerate((*known, *sorted(set(counts) - set(known)))):
        most_in = max(fields, key=lambda field: by_field[label, field], default="")
        most = by_field[label, most_in]
        per_field = counts[label] / max(1, len(fields))
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        share = counts[label] / found if found else 0.0
        densities.append(Density(label, colour, counts[label], share, per_field, most, most_in if most else ""))
    return densities


def found_data(screenings: Sequence[Any]) -> dict[str, Any]:
    """The tables of all found cells by screening, for the script of the page.

    Returns:
        For each, `fields` and `classes`, names by number; and the columns by name in base64, little-endian: `field`,
        `width`, `height`, `class`, `true`, `confidence`, `abnormal` are uint16, `left` and `top` uint32. Probabilities
        are in steps of 1/10,000; NOWHERE stands for what is not known.
    """
    return {view.results.name: _columns(view.results) for view in screenings}


def _columns(one: ScreeningResults) -> dict[str, Any]:
    cells = one.found.telling[:MOST]
    fields = sorted({cell.field for cell in cells})
    classes = sorted({name for cell in cells for name in (cell.label, cell.true_class) if name})
    at_field, at_class = ({name: place for place, name in enumerate(names)} for names in (fields, classes))
    columns = {
        "field": [at_field[cell.field] for cell in cells],
        "left": [cell.left for cell in cells],
        "top": [cell.top for cell in cells],
        "width": [min(NOWHERE, cell.right - cell.left) for cell in cells],
        "height": [min(NOWHERE, cell.bottom - cell.top) for cell in cells],
        "class": [at_class[cell.label] for cell in cells],
        "true": [at_class.get(cell.true_class, NOWHERE) for cell in cells],
        "confidence": [_share(cell.confidence) for cell in cells],
        "abnormal": [_share(cell.abnormal) for cell in cells],
    }
    packed = {name: _packed(values, "<u4" if name in ("left", "top") else "<u2") for name, values in columns.items()}
    return {"cells": len(cells), "fields": fields, "classes": classes, "columns": packed}


def _share(value: float | None) -> int:
    return NOWHERE if value is None else round(_SHARES * value)


def _packed(values: Sequence[int], kind: str) -> str:
    return base64.b64encode(np.array(values, kind).tobytes()).decode("ascii")
