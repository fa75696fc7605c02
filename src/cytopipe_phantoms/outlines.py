"""Shapes: closed outlines as polygons, what can be done with them, and how much of each pixel they cover.

A polygon is an (N, 2) float64 array of x, y in pixels, not repeated at its end; pixel i reaches from i to
i + 1, as in Pillow's and SIPaKMeD's contours. A radial outline is the (N,) radii of a star-shaped one, at
`angles(N)`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from cytopipe_phantoms.textures import Plane

Polygon = NDArray[np.float64]
Radii = NDArray[np.float64]
SUBPIXELS = 4  # subdivisions of a pixel's side, for the share of it that lies inside a polygon


def angles(count: int) -> Radii:
    """`count` equally spaced angles of a full turn, in radians, from 0."""
    return np.arange(count, dtype=np.float64) * (2 * np.pi / count)


def wavy(count: int, amplitude: float, rng: np.random.Generator, orders: range = range(2, 7)) -> Radii:
    """A round outline of radius 1 that varies smoothly by `amplitude` (expected root mean square).

    Fourier series in the angle with amplitudes falling as 1 / order: low orders bend, high orders roughen.

    Returns:
        (count,) radii, none under 0.3.
    """
    theta = angles(count)
    series = np.zeros(count)
    for order in orders:
        cosine, sine = rng.standard_normal(2) / order
        series += cosine * np.cos(order * theta) + sine * np.sin(order * theta)
    expected = np.sqrt(sum(1 / order**2 for order in orders))
    result: Radii = np.maximum(1 + series * (amplitude / expected), 0.3)
    return result


def cornered(count: int, corners: int, rng: np.random.Generator) -> Radii:
    """An uneven polygon of `corners` (4 or more) corners, hardly rounded, of mean radius 1.

    Returns:
        (count,) radii.
    """
    jitter = rng.uniform(-0.28, 0.28, corners) + rng.uniform(0, corners)
    at = ((np.arange(corners) + jitter) * (2 * np.pi / corners)) % (2 * np.pi)
    order = np.argsort(at)
    at, reach = at[order], rng.normal(1, 0.09, corners)[order]
    theta = angles(count)
    after = np.searchsorted(at, theta) % corners
    before = after - 1
    gone, left = (theta - at[before]) % (2 * np.pi), (at[after] - theta) % (2 * np.pi)
    # Where the ray meets the straight side between the corners on either hand (law of sines).
    radius = reach[before] * reach[after] * np.sin(gone + left)
    radius /= reach[before] * np.sin(gone) + reach[after] * np.sin(left)
    radius = gaussian_filter1d(radius, count / 60, mode="wrap")
    return np.asarray(radius / radius.mean(), dtype=np.float64)


def with_processes(radii: Radii, processes: int, length: float, rng: np.random.Generator) -> Radii:
    """Draws `processes` tapering arms out of a radial outline, each up to `length` times the radius long.

    Returns:
        (N,) radii.
    """
    theta = angles(len(radii))
    radii = radii.copy()
    for direction in rng.uniform(0, 2 * np.pi, processes):
        off_axis = np.abs((theta - direction + np.pi) % (2 * np.pi) - np.pi)
        radii += length * rng.uniform(0.5, 1) * np.exp(-off_axis / rng.uniform(0.12, 0.22))
    return np.asarray(gaussian_filter1d(radii, len(radii) / 80, mode="wrap"), dtype=np.float64)


def trace(radii: Radii, elongation: float, turn: float) -> Polygon:
    """The polygon of a radial outline, stretched along an axis turned by `turn` radians at constant area.

    Args:
        radii: (N,) radii.
        elongation: the long axis over the short one.
        turn: direction of the long axis, radians.
    """
    theta = angles(len(radii))
    stretch = np.sqrt(elongation)
    x, y = radii * np.cos(theta) * stretch, radii * np.sin(theta) / stretch
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)


def disc(centre: tuple[float, float], radius: float, count: int = 16) -> Polygon:
    """A regular polygon of `count` corners in place of a circle."""
    result: Polygon = trace(np.full(count, radius), 1, 0) + np.asarray(centre)
    return result


def area(polygon: Polygon) -> float:
    """Area in square pixels (shoelace formula)."""
    x, y = polygon.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def to_area(polygon: Polygon, wanted: float) -> float:
    """The factor that gives a polygon the area `wanted`."""
    return float(np.sqrt(wanted / area(polygon)))


def fold(polygon: Polygon, direction: float, keep: float) -> tuple[Polygon, Polygon]:
    """Folds the part of a star-shaped polygon that lies furthest in `direction` back over the rest.

    Args:
        polygon: (N, 2), star-shaped about the origin.
        direction: normal of the fold line, radians.
        keep: distance of the fold line from the origin, as a share of the polygon's reach in that direction.

    Returns:
        The polygon cut straight along the fold, and the flap, mirrored into it.
    """
    normal = np.array([np.cos(direction), np.sin(direction)])
    reach = polygon @ normal
    line = keep * float(reach.max())
    beyond = reach > line
    cut = polygon.copy()
    cut[beyond] *= (line / reach[beyond])[:, None]
    flap = polygon[beyond] - 2 * np.outer(reach[beyond] - line, normal)
    # The flap starts and ends on the fold: begin its run of points where the cap begins.
    starts = np.flatnonzero(beyond & ~np.roll(beyond, 1))
    run = np.roll(np.arange(len(polygon)), -int(starts[0])) if len(starts) else np.arange(len(polygon))
    run = run[beyond[run]]
    index = np.cumsum(beyond) - 1
    ends = np.stack([cut[run[0]], cut[run[-1]]])
    return cut, np.concatenate([ends[:1], flap[index[run]], ends[1:]])


def reach_from(polygon: Polygon, point: Polygon, theta: Radii) -> Radii:
    """Distance from `point` (inside) to the polygon's rim in the directions `theta` (radians), interpolated."""
    arms = polygon - point
    at = np.arctan2(arms[:, 1], arms[:, 0]) % (2 * np.pi)
    order = np.argsort(at, kind="stable")
    result: Radii = np.interp(theta % (2 * np.pi), at[order], np.hypot(*arms.T)[order], period=2 * np.pi)
    return result


def clearance(outer: Polygon, inner: Polygon) -> float:
    """Least distance of the corners of `inner` from the rim of `outer`; negative where one lies outside."""
    rim = outer.astype(np.float32)
    return min(float(cv2.pointPolygonTest(rim, (float(x), float(y)), True)) for x, y in inner)


def coverage(polygon: Polygon, shape: tuple[int, int]) -> Plane:
    """Share of each pixel that lies inside the polygon: (H, W) float32 in 0 to 1.

    Filled at SUBPIXELS times the resolution and averaged. Cut at 0.5 it differs from the fill that
    `PIL.ImageDraw.polygon` makes of the same points in one in twenty of the pixels along the rim, and nowhere else.
    """
    height, width = shape
    fine = np.zeros((height * SUBPIXELS, width * SUBPIXELS), np.uint8)
    shift = 4  # cv2's fixed-point coordinates: 1/16 of a subpixel
    corners = np.round((polygon * SUBPIXELS - 0.5) * 2**shift).astype(np.int32)
    cv2.fillPoly(fine, [corners], 255, cv2.LINE_8, shift)
    # Pillow also fills pixels that a side merely grazes, a quarter of a pixel more: so does this pen.
    cv2.polylines(fine, [corners], True, 255, 2, cv2.LINE_8, shift)
    averaged = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, dtype=np.float32) / np.float32(255)
