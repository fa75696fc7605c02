"""Bounding boxes: their overlap, and the margin with which a cell is cropped."""

from __future__ import annotations

import numpy as np

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two exclusive


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
