"""Cells of a field, found and classified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cytopipe.inference.predictor import Prediction, Predictor
from cytopipe.screening.cells import DetectedCell, with_margin
from cytopipe.screening.detectors import TILE, CellDetector, find_cells
from cytopipe.screening.fields import Field

MARGIN = 0.05  # share of a cell's longer side about its box, as the classifiers' training images have


@dataclass(frozen=True)
class ScreenedCell:
    """A cell with what the classifier says of it; None where there was no classifier."""

    cell: DetectedCell
    prediction: Prediction | None


def screen(
    field: Field,
    detector: CellDetector,
    predictor: Predictor | None,
    margin: float = MARGIN,
    tile: int = TILE,
    edge: bool = True,
) -> Iterator[ScreenedCell]:
    """Find the cells of a field, crop each with a margin about its box and classify it.

    Args:
        field: of any size.
        detector: of the cells.
        predictor: of their classes, or None.
        margin: share of a cell's longer side.
        tile: see `find_cells`.
        edge: whether cells that the field's edge cuts are kept.
    """
    cells = (cell for cell in find_cells(field, detector, tile) if edge or not cell.cut)
    if predictor is None:
        yield from (ScreenedCell(cell, None) for cell in cells)
        return
    while some := list(islice(cells, predictor.batch_size)):
        boxes = (with_margin(cell.box, margin, field.height, field.width) for cell in some)
        crops = [field.read(top, left, bottom - top, right - left) for left, top, right, bottom in boxes]
        yield from (ScreenedCell(*pair) for pair in zip(some, predictor(crops), strict=True))
