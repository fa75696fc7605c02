"""Spots: soft points and uneven little discs, the granules, dots and specks of the phantoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import outlines
from cytopipe_phantoms.textures import Plane

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
    width = 2 * max(sigma, 0.35) ** 2
    columns = np.exp(-np.square(x - at[:, 0]) / width)
    rows = np.exp(-np.square(y - at[:, 1]) / width) * heights
    # A matrix product sums in an order that depends on the machine's threads; einsum does not.
    result: Plane = np.einsum("yn,xn->yx", rows, columns).astype(np.float32)
    return result


def uneven_disc(radius: float, rng: np.random.Generator, unevenness: float = 0.15) -> outlines.Polygon:
    """The outline of a roundish body about the origin, up to 1.6 times as long as wide, of about this radius."""
    radii = outlines.wavy(24, unevenness, rng, range(2, 5))
    return outlines.trace(radii, rng.uniform(1, 1.6), rng.uniform(0, np.pi)) * radius


def scatter(polygon: outlines.Polygon, share: float, count: int, rng: np.random.Generator) -> Points:
    """(count, 2) points strewn evenly over a star-shaped polygon shrunk to `share` about the origin."""
    corners = polygon[rng.integers(len(polygon), size=count)]
    return np.asarray(corners * share * np.sqrt(rng.random((count, 1))), dtype=np.float64)
