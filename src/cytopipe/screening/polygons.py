"""Contours as polygons: rings that close, never cross themselves and enclose whole pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage.measure import find_contours

Ring = list[tuple[float, float]]  # x, y in pixels from the field's upper left corner; the first point again at the end


def ring(contour: np.ndarray) -> Ring:
    """The ring about the pixels that a contour encloses, its own among them.

    A contour of pixels turns back on itself where a cell is one pixel wide, and then is no valid polygon. This runs
    half-way between the pixels inside and those outside, by marching squares.

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
    """A closed ring without the points that lie between their neighbours on a line."""
    corners = points[:-1]
    kept = [
        here
        for before, here, after in zip([corners[-1], *corners], corners, [*corners[1:], corners[0]], strict=False)
        if (here[0] - before[0]) * (after[1] - here[1]) != (here[1] - before[1]) * (after[0] - here[0])
    ]
    return [*kept, kept[0]]


def well_known_text(points: Sequence[tuple[float, float]]) -> str:
    """A ring as WKT, `POLYGON ((x y, ...))`."""
    return f"POLYGON (({', '.join(f'{x:g} {y:g}' for x, y in points)}))"
