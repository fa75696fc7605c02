"""A cell that was detected in a field of view, and its bounding box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two exclusive


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


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def with_margin(box: Box, margin: float, height: int, width: int) -> Box:
    """Widen a box on every side by a share of its longer side plus one pixel, and clip it to the field.

    Sides are measured between pixel centres, as in `cytopipe_phantoms.writers.sipakmed.crop_cell`, which crops the
    training images.

    Args:
        box: the bounding box in pixels.
        margin: share of the longer side.
        height, width: size of the field in pixels.
    """
    left, top, right, bottom = box
    extra = margin * (max(right - left, bottom - top) - 1) + 1
    low, high = np.floor(np.array([left, top]) - extra), np.ceil(np.array([right, bottom]) - 1 + extra)
    (left, top), (right, bottom) = np.maximum(low, 0).astype(int), np.minimum(high, [width, height]).astype(int)
    return int(left), int(top), int(right), int(bottom)
