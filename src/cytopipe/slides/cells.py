"""Cells of a slide: as they are found in a tile, and as they are classified."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cytopipe.data.imaging.boxes import Box
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.screen import ScreenedCell


@dataclass(frozen=True)
class SlideCell(ScreenedCell):
    """A detected cell of a slide and its predicted class.

    Attributes:
        plane: focal plane in which it is sharpest, from 0.
        focus: how sharp it is there, see `planes.focus`.
    """

    plane: int
    focus: float


@dataclass(frozen=True)
class Candidate:
    """A cell that was found in a tile, not yet classified.

    Attributes:
        cell: the cell; coordinates are pixels of the view.
        crop: H x W x 3 uint8, the cell with the margin that the classifier sees.
        plane, focus: see `SlideCell`.
    """

    cell: DetectedCell
    crop: np.ndarray
    plane: int
    focus: float


def moved(cell: DetectedCell, left: int, top: int, size: tuple[int, int]) -> DetectedCell:
    """A cell of a region as one of the view, whose size is (height, width); only the view's edges cut it."""
    x, y, right, bottom = cell.box
    box = (x + left, y + top, right + left, bottom + top)
    shift = np.array([left, top], np.int32)
    nucleus = None if cell.nucleus is None else cell.nucleus + shift
    cut = min(box[:2]) == 0 or box[2] == size[1] or box[3] == size[0]
    return replace(cell, box=box, contour=cell.contour + shift, nucleus=nucleus, cut=cut)


def scaled(cell: DetectedCell, factor: float, size: tuple[int, int]) -> DetectedCell:
    """A cell of a view as one of the full resolution.

    Args:
        cell: the cell.
        factor: pixels of the full resolution for one of the view.
        size: height and width of the full resolution.
    """
    if factor == 1:
        return cell
    height, width = size

    def points(contour: np.ndarray) -> np.ndarray:
        found = np.rint((contour + 0.5) * factor - 0.5).astype(np.int32)
        return found.clip(0, [width - 1, height - 1]).astype(np.int32)

    contour = points(cell.contour)
    (left, top), (right, bottom) = (
        np.floor(np.array(cell.box[:2]) * factor).astype(int).clip(0, [width - 1, height - 1]).tolist(),
        np.ceil(np.array(cell.box[2:]) * factor).astype(int).clip(1, [width, height]).tolist(),
    )
    box: Box = (left, top, right, bottom)
    nucleus = None if cell.nucleus is None else points(cell.nucleus)
    return replace(cell, box=box, contour=contour, nucleus=nucleus, area=round(cell.area * factor**2))
