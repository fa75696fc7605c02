"""Shapes: closed outlines as polygons, what can be done with them, and how much of each pixel they cover.

A polygon is an (N, 2) float64 array of x, y in pixels, not repeated at its end; pixel i reaches from i to
i + 1, as in Pillow's and SIPaKMeD's contours. A radial outline is the (N,) radii of a star-shaped one, at
`angles(N)`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.exact import Plane, Values

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
    # A product with a matrix of whole numbers is exact in whatever order it adds.
    heights = np.rint(draws.white((2 * len(orders),), rng) * np.float32(2**20)).astype(np.float64)
    result: Radii = np.maximum(1 + (heights @ _waves(count, orders)) * (amplitude * 2.0**-45), 0.3)
    return result


@lru_cache(maxsize=64)
def _waves(count: int, orders: range) -> Values:
    """Cosines, then sines, of `orders` times `angles(count)`, over the order; rows of which the squares' sum is 1, in
    units of 2**-25."""
    rows, squares = [], 0.0
    for order in orders:
        at = order * np.arange(count) % count
        rows.append(_circle(count)[at] / order)
        squares += 1 / (order * order)
    result: Values = np.rint(np.concatenate(rows, axis=1).T * (2**25 / math.sqrt(squares)))
    return result


@lru_cache(maxsize=64)
def _circle(count: int) -> Polygon:
    """Unit vectors in the directions `angles(count)`, (count, 2)."""
    return exact.direction(angles(count))


def cornered(count: int, corners: int, rng: np.random.Generator) -> Radii:
    """An uneven polygon of `corners` (4 or more) corners, hardly rounded, of mean radius 1.

    Returns:
        (count,) radii.
    """
    jitter = rng.uniform(-0.28, 0.28, corners) + rng.uniform(0, corners)
    at = ((np.arange(corners) + jitter) * (2 * np.pi / corners)) % (2 * np.pi)
    order = np.argsort(at)
    at, reach = at[order], draws.normals(1, 0.09, corners, rng)[order]
    after = np.searchsorted(at, angles(count)) % corners
    before = after - 1
    sine, cosine = exact.sincos(at)
    x, y = _circle(count).T
    # Where the ray meets the straight side between the corners on either hand (law of sines), with the sines of the
    # angles from corner to corner, from the one before to the ray, and from the ray to the one after.
    between = sine[after] * cosine[before] - cosine[after] * sine[before]
    gone, left = y * cosine[before] - x * sine[before], x * sine[after] - y * cosine[after]
    radius = reach[before] * reach[after] * between / (reach[before] * gone + reach[after] * left)
    radius = _rounded(radius, count / 60)
    return np.asarray(radius / (exact.total(radius) / count), dtype=np.float64)


def _rounded(radii: Radii, sigma: float) -> Radii:
    """A radial outline blurred along its rim, `sigma` in corners."""
    reach = math.ceil(3 * sigma)
    weights = [exact.exp(-k * k / (2 * sigma * sigma)) for k in range(reach + 1)]
    weight = weights[0] + 2 * exact.total(weights[1:])
    around, count = np.concatenate([radii[-reach:], radii, radii[:reach]]), len(radii)
    result = radii * (weights[0] / weight)
    for k in range(1, reach + 1):
        result += (around[reach - k :][:count] + around[reach + k :][:count]) * (weights[k] / weight)
    return result


def with_processes(radii: Radii, processes: int, length: float, rng: np.random.Generator) -> Radii:
    """Draws `processes` tapering arms out of a radial outline, each up to `length` times the radius long.

    Returns:
        (N,) radii.
    """
    theta = angles(len(radii))
    radii = radii.copy()
    for direction in rng.uniform(0, 2 * np.pi, processes):
        off_axis = np.abs((theta - direction + np.pi) % (2 * np.pi) - np.pi)
        radii += length * rng.uniform(0.5, 1) * exact.exp(-off_axis / rng.uniform(0.12, 0.22))
    return _rounded(radii, len(radii) / 80)


def trace(radii: Radii, elongation: float, turn: float) -> Polygon:
    """The polygon of a radial outline, stretched along an axis turned by `turn` radians at constant area.

    Args:
        radii: (N,) radii.
        elongation: the long axis over the short one.
        turn: direction of the long axis, radians.
    """
    stretch, (sine, cosine) = math.sqrt(elongation), exact.sincos(turn)
    x, y = (_circle(len(radii)) * radii[:, None]).T
    x, y = x * stretch, y / stretch
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)


def disc(centre: tuple[float, float], radius: float, count: int = 16) -> Polygon:
    """A regular polygon of `count` corners in place of a circle."""
    result: Polygon = trace(np.full(count, radius), 1, 0) + np.asarray(centre)
    return result


def area(polygon: Polygon) -> float:
    """Area in square pixels (shoelace formula)."""
    x, y = polygon.T
    return abs(exact.total(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def middle(polygon: Polygon) -> Polygon:
    """Mean of the corners, (2,)."""
    return np.array([exact.total(polygon[:, 0]), exact.total(polygon[:, 1])]) / len(polygon)


def half_width(polygon: Polygon) -> float:
    """Half the mean of a polygon's width and height."""
    width, height = np.ptp(polygon, axis=0).tolist()
    return float(width + height) / 4


def to_area(polygon: Polygon, wanted: float) -> float:
    """The factor that gives a polygon the area `wanted`."""
    return math.sqrt(wanted / area(polygon))


def fold(polygon: Polygon, direction: float, keep: float) -> tuple[Polygon, Polygon]:
    """Folds the part of a star-shaped polygon that lies furthest in `direction` back over the rest.

    Args:
        polygon: (N, 2), star-shaped about the origin.
        direction: normal of the fold line, radians.
        keep: distance of the fold line from the origin, as a share of the polygon's reach in that direction.

    Returns:
        The polygon cut straight along the fold, and the flap, mirrored into it.
    """
    normal = exact.direction(direction)
    reach = polygon[:, 0] * normal[0] + polygon[:, 1] * normal[1]
    line = keep * float(reach.max())
    beyond = reach > line
    cut = polygon.copy()
    cut[beyond] *= (line / reach[beyond])[:, None]
    flap = polygon[beyond] - 2 * (reach[beyond] - line)[:, None] * normal
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
    at = exact.arctan2(arms[:, 1], arms[:, 0]) % (2 * np.pi)
    order = np.argsort(at, kind="stable")
    at, reach, theta = at[order], exact.length(arms)[order], theta % (2 * np.pi)
    after = np.searchsorted(at, theta) % len(at)
    step = (at[after] - at[after - 1]) % (2 * np.pi)
    share = (theta - at[after - 1]) % (2 * np.pi) / np.maximum(step, 1e-12)
    result: Radii = reach[after - 1] + np.minimum(share, 1) * (reach[after] - reach[after - 1])
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
    left, top, right, bottom = box(polygon, 1)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, shape[1]), min(bottom, shape[0])
    result = np.zeros(shape, np.float32)
    if left < right and top < bottom:  # nothing is filled beyond the polygon's box
        result[top:bottom, left:right] = fill(polygon - (left, top), bottom - top, right - left)
    return result


def box(polygon: Polygon, margin: int) -> tuple[int, int, int, int]:
    """The pixels about a polygon, and `margin` more on each side: left, top, and right and bottom, exclusive."""
    (left, top), (right, bottom) = polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()
    return (
        *(math.floor(left) - margin, math.floor(top) - margin),
        *(math.ceil(right) + margin + 1, math.ceil(bottom) + margin + 1),
    )


def fill(polygon: Polygon, height: int, width: int) -> Plane:
    """Share of each pixel of a frame that lies inside the polygon, which should fill most of it: see `coverage`."""
    fine = np.zeros((height * SUBPIXELS, width * SUBPIXELS), np.uint8)
    shift = 4  # cv2's fixed-point coordinates: 1/16 of a subpixel
    corners = np.round((polygon * SUBPIXELS - 0.5) * 2**shift).astype(np.int32)
    cv2.fillPoly(fine, [corners], 1, cv2.LINE_8, shift)
    # Pillow also fills pixels that a side merely grazes, a quarter of a pixel more: so does this pen.
    cv2.polylines(fine, [corners], True, 1, 2, cv2.LINE_8, shift)
    # Four subpixels beside one another are the bytes of one number: whole rows are added, then the bytes of the sums.
    rows = fine.view(np.uint32).reshape(height, SUBPIXELS, width)
    sums = (rows[:, 0] + rows[:, 1]) + (rows[:, 2] + rows[:, 3])
    inside = (sums * np.uint32(0x01010101)) >> np.uint32(24)
    return inside.astype(np.float32) / np.float32(SUBPIXELS * SUBPIXELS)


def depth(inside: NDArray[np.bool_]) -> Plane:
    """Distance in pixels of the pixels of a shape from its rim, 0 without: (H, W) float32."""
    # Of OpenCV's transforms the one with labels counts in whole numbers on every processor.
    distance, _ = cv2.distanceTransformWithLabels(inside.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    return np.asarray(distance, dtype=np.float32)
