"""Screening of a field: find its cells and classify them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cytopipe.core.params import Reading
from cytopipe.data.imaging.boxes import with_margin
from cytopipe.data.imaging.fields import Field
from cytopipe.data.imaging.fit import Measured
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Prediction, Predictor
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.detectors import TILE, CellDetector, find_cells

MARGIN = 0.05  # margin around a cell's box as a share of its longer side, as in the training images


@dataclass(frozen=True)
class ScreenedCell:
    """A detected cell and its predicted class; None without a classifier."""

    cell: DetectedCell
    prediction: Prediction | None


def field_reading(detector: CellDetector, predictor: Predictor | None) -> Reading:
    """How a field's file must be read for its detector and its classifier.

    Raises:
        CytopipeError: they were trained on images that were read differently.
    """
    own: Reading | None = getattr(detector, "reading", None)
    if predictor is None:
        return own or Reading()
    wanted = predictor.reading
    if own is not None and own.range is not None and (own.range, own.channels) != (wanted.range, wanted.channels):
        raise CytopipeError(
            f"the detector was trained on images of the range {own.range}, and the classifier of {wanted.range}",
            hint="train both on one dataset, or say one for both: --range LOW,HIGH",
        )
    return wanted


def screen(
    field: Field,
    detector: CellDetector,
    predictor: Predictor | None,
    margin: float = MARGIN,
    tile: int = TILE,
    edge: bool = True,
) -> Iterator[ScreenedCell]:
    """Find the cells of a field, crop each with a margin around its box and classify it.

    A classifier that was trained at one scale (`fit`) sees the cells at the scale of the field's own pixels.

    Args:
        field: a field of any size.
        detector: finds the cells.
        predictor: classifies them; None leaves them without a class.
        margin: margin as a share of the longer side of a cell's box.
        tile: see `find_cells`.
        edge: whether to keep cells that the edge of the field cuts.
    """
    cells = (cell for cell in find_cells(field, detector, tile) if edge or not cell.cut)
    if predictor is None:
        yield from (ScreenedCell(cell, None) for cell in cells)
        return
    while some := list(islice(cells, predictor.batch_size)):
        boxes = (with_margin(cell.box, margin, field.height, field.width) for cell in some)
        crops = (field.read(top, left, bottom - top, right - left) for left, top, right, bottom in boxes)
        pictures = [Measured(crop, field.pixel_size_um) for crop in crops]
        yield from (ScreenedCell(*pair) for pair in zip(some, predictor(pictures), strict=True))
