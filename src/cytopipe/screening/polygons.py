"""Contours as polygons: closed rings that do not cross themselves and enclose whole pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage.measure import find_contours

Ring = list[tuple[float, float]]  # (x, y) in pixels from the field's upper left corner; the last point is the first


def ring(contour: np.ndarray) -> Ring:
    """The ring around the pixels of a contour and those that it encloses.

    Where a cell is one pixel wide, a contour of pixels runs back over itself and is not a valid polygon. The ring runs
    halfway between the pixels inside and those outside instead (marching squares).

    Args:
        contour: P x 2 int32 (x, y).
    """
    low = contour.min(axis=0) - 1
    width, height = (contour.max(axis=0) - low + 2).tolist()
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - low], 1)
    lines: list[np.ndarray] = find_contours(  # type: ignore[no-untyped-call]  # skimage annotates nothing here
        inside.astype(np.float32), 0.5, fully_connected="high"
    )
    longest = max(lines, key=len)  # (y, x) of pixel centres
    points = [(x + 0.5, y + 0.5) for y, x in (longest + low[::-1]).tolist()]
    return _without_middles(points)


def _without_middles(points: Ring) -> Ring:
    """A closed ring without the points that lie on the straight line between their neighbours."""
    corners = points[:-1]
    kept = [
        here
        for before, here, after in zip([corners[-1], *corners], corners, [*corners[1:], corners[0]], strict=False)
        if (here[0] - before[0]) * (after[1] - here[1]) != (here[1] - before[1]) * (after[0] - here[0])
    ]
    return [*kept, kept[0]]


def well_known_text(points: Sequence[tuple[float, float]]) -> str:
    """A ring as well-known text, `POLYGON ((x y, ...))`."""
    return f"POLYGON (({', '.join(f'{x:g} {y:g}' for x, y in points)}))"
