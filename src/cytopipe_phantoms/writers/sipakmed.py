"""Writes phantom fields in the layout in which SIPaKMeD is distributed.

Layout after Plissiti et al., "SIPaKMeD: a new dataset for feature and image based classification of normal
and pathological cervical cells in Pap smear images" (ICIP 2018): a folder a class, in it a folder of the same
name with fields as BMP and one .dat a contour, and CROPPED beside them with the single cells.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cytopipe_phantoms.anatomy import Cell
from cytopipe_phantoms.field import Field, take_field
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.request import Report, check_request
from cytopipe_phantoms.spec import read_spec


def write_sipakmed(
    folder: Path,
    spec: Path,
    *,
    seed: int,
    fields_per_class: int,
    cells_per_field: int,
    scale: float,
    progress: Report | None = None,
) -> None:
    """Fills `folder` with a phantom of SIPaKMeD; the same arguments write the same bytes.

    Every field is a slide of its own and draws from its own seed (seed, class, number), so that more fields
    or more classes at the table's end leave the others as they were.

    Args:
        folder: receives im_<Class>/im_<Class>/...; made if absent.
        spec: the biology table, see `spec.Phantom`.
        seed: 0 or more.
        fields_per_class: fields of each class, 1 or more.
        cells_per_field: mean number of annotated cells in a field, 1 or more.
        scale: size over the table's full size, for fields, cells and blur alike; 0.05 to 2.
        progress: called after each field with the fields done and their total.

    Raises:
        CytopipeError: the table or an argument is not valid.
    """
    check_request(seed=seed, fields_per_class=fields_per_class, cells_per_field=cells_per_field, scale=scale)
    phantom = read_spec(spec)
    total = len(phantom.classes) * fields_per_class
    done = 0
    for class_index, name in enumerate(phantom.classes):
        target = folder / f"im_{name}" / f"im_{name}"
        (target / "CROPPED").mkdir(parents=True, exist_ok=True)
        for number in range(1, fields_per_class + 1):
            entropy = [seed, class_index, number]
            field = take_field(phantom, name, count=cells_per_field, scale=scale, seed=entropy)
            _write_field(target, f"{number:03d}", field, phantom.field.crop_margin)
            done += 1
            if progress is not None:
                progress(done, total)


def _write_field(target: Path, number: str, field: Field, margin: float) -> None:
    """Writes a field with its contours, and its cells with theirs."""
    Image.fromarray(field.image).save(target / f"{number}.bmp")
    for index, cell in enumerate(field.cells, start=1):
        _write_contour(target / f"{number}_cyt{index:02d}.dat", cell.cytoplasm)
        _write_contour(target / f"{number}_nuc{index:02d}.dat", cell.nucleus)
        crop, corner = crop_cell(field.image, cell, margin)
        stem = target / "CROPPED" / f"{number}_{index:02d}"
        Image.fromarray(crop).save(stem.with_suffix(".bmp"))
        _write_contour(stem.with_name(f"{stem.name}_cyt.dat"), cell.cytoplasm - corner)
        _write_contour(stem.with_name(f"{stem.name}_nuc.dat"), cell.nucleus - corner)


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


def _write_contour(path: Path, polygon: Polygon) -> None:
    """Writes a contour, one `x,y` a line, its first point repeated at the end."""
    lines = [",".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in point) for point in polygon]
    path.write_text("\n".join([*lines, lines[0]]) + "\n", encoding="ascii", newline="\n")
