"""A cell that was detected in a field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cytopipe.data.imaging.boxes import Box


@dataclass(frozen=True)
class DetectedCell:
    """A detected cell; coordinates are pixels of the field.

    Attributes:
        box: (left, top, right, bottom) of the bounding box of the whole cell, the last two exclusive.
        contour: P x 2 int32 (x, y), the outermost pixels of the whole cell in order, not closed.
        nucleus: contour of the nucleus in the same form; None if the detector does not find nuclei.
        area: area of the whole cell in pixels.
        score: confidence of the detector, 0 to 1.
        cut: whether the cell touches the edge of the field, so that part of it may be missing.
    """

    box: Box
    contour: np.ndarray
    nucleus: np.ndarray | None
    area: int
    score: float
    cut: bool
