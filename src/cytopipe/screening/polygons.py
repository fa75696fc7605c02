"""Contours as polygons, and as well-known text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cytopipe.data.imaging.outlines import Ring, polygons_of


def pixels(contour: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The pixels of a contour and those that it encloses: H x W bool, and its left and top in the field.

    Args:
        contour: P x 2 int32 (x, y), the outermost pixels in order.
    """
    low = contour.min(axis=0)
    width, height = (contour.max(axis=0) - low + 1).tolist()
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - low], 1)
    return inside.astype(bool), int(low[0]), int(low[1])


def ring(contour: np.ndarray) -> Ring:
    """The ring around the pixels of a contour and those that it encloses; see `polygons_of`.

    Where a cell is one pixel wide, a contour of pixels runs back over itself and is not a valid polygon; the ring runs
    around the pixels.

    Args:
        contour: P x 2 int32 (x, y).
    """
    return polygons_of(*pixels(contour))[0][0]


def well_known_text(points: Sequence[tuple[float, float]]) -> str:
    """A ring as well-known text, `POLYGON ((x y, ...))`."""
    return f"POLYGON (({', '.join(f'{x:.10g} {y:.10g}' for x, y in points)}))"
