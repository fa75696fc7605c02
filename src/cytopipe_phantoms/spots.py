"""Spots: soft points and uneven little discs, the granules, dots and specks of the phantoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import exact, outlines
from cytopipe_phantoms.exact import Plane

Points = NDArray[np.float64]


def gaussian_spots(at: Points, heights: Points, sigma: float, size: tuple[int, int]) -> Plane:
    """The sum of Gaussian spots.

    Args:
        at: (N, 2) middles x, y in pixels; N may be 0.
        heights: (N,) values at the middles.
        sigma: of all spots, pixels; at least 0.35, what a pixel can show.
        size: height and width of the result.

    Returns:
        (H, W) float32.
    """
    y, x = (np.arange(side)[:, None] + 0.5 for side in size)
    sigma = max(sigma, 0.35)
    columns, rows = (
        exact.decay(np.square(place - at[:, axis]) / (2 * sigma * sigma)) for axis, place in enumerate((x, y))
    )
    # Of whole numbers that a float64 holds the sum is the same in whatever order a matrix product takes it.
    wholes = np.rint(rows * heights * 2.0**20), np.rint(columns * 2.0**20).astype(np.float64)
    return np.asarray(wholes[0] @ wholes[1].T * 2.0**-40, dtype=np.float32)


def uneven_disc(radius: float, rng: np.random.Generator, unevenness: float = 0.15) -> outlines.Polygon:
    """The outline of a roundish body about the origin, up to 1.6 times as long as wide, of about this radius."""
    radii = outlines.wavy(24, unevenness, rng, range(2, 5))
    return outlines.trace(radii, rng.uniform(1, 1.6), rng.uniform(0, np.pi)) * radius


def scatter(polygon: outlines.Polygon, share: float, count: int, rng: np.random.Generator) -> Points:
    """(count, 2) points strewn evenly over a star-shaped polygon shrunk to `share` about the origin."""
    corners = polygon[rng.integers(len(polygon), size=count)]
    return np.asarray(corners * share * np.sqrt(rng.random((count, 1))), dtype=np.float64)
