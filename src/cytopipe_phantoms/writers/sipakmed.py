"""Writes phantom fields in the layout in which SIPaKMeD is distributed.

Layout after Plissiti et al., "SIPaKMeD: a new dataset for feature and image based classification of normal
and pathological cervical cells in Pap smear images" (ICIP 2018): a folder per class, in it a folder of the same
name with fields as BMP and one .dat per contour, and CROPPED beside them with the single cells.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms.anatomy import Cell
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.spec import Phantom
from cytopipe_phantoms.writer import File, Request, Unit, Writer


def draw_field(phantom: Phantom, request: Request, unit: Unit) -> Iterator[File]:
    """One field with its contours, and its cells with theirs: im_<Class>/im_<Class>/...

    Every field is a slide of its own and draws from its own seed (seed, class, number).
    """
    folder, number = f"im_{unit.label}/im_{unit.label}", f"{unit.number + 1:03d}"
    seed = [request.seed, unit.index, unit.number + 1]
    field = take_field(phantom, unit.label, count=request.cells_per_field, scale=request.scale, seed=seed)
    yield File(f"{folder}/{number}.bmp", field.image, unit.label)
    for index, cell in enumerate(field.cells, start=1):
        yield File(f"{folder}/{number}_cyt{index:02d}.dat", format_contour(cell.cytoplasm))
        yield File(f"{folder}/{number}_nuc{index:02d}.dat", format_contour(cell.nucleus))
        crop, corner = crop_cell(field.image, cell, phantom.field.crop_margin)
        stem = f"{folder}/CROPPED/{number}_{index:02d}"
        yield File(f"{stem}.bmp", crop, unit.label)
        yield File(f"{stem}_cyt.dat", format_contour(cell.cytoplasm - corner))
        yield File(f"{stem}_nuc.dat", format_contour(cell.nucleus - corner))


def crop_cell(image: NDArray[np.uint8], cell: Cell, margin: float) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cuts a cell out of its field: the box of its cytoplasm and a margin, clipped at the field's edge.

    Args:
        image: (H, W, 3) uint8, the field.
        cell: a cell annotated in it.
        margin: share of the box's longer side to add on each of the four.

    Returns:
        The crop, and the (2,) x, y of its first pixel in the field.
    """
    height, width = image.shape[:2]
    low, high = cell.cytoplasm.min(axis=0), cell.cytoplasm.max(axis=0)
    extra = margin * float((high - low).max()) + 1
    left, top = np.maximum(np.floor(low - extra), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + extra), [width, height]).astype(int)
    return np.ascontiguousarray(image[top:bottom, left:right]), np.array([left, top])


def format_contour(polygon: Polygon) -> str:
    """Text of a contour: one `x,y` per line, its first point repeated at the end."""
    lines = [",".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in point) for point in polygon]
    return "\n".join([*lines, lines[0]]) + "\n"


WRITER = Writer(Phantom, draw_field)
