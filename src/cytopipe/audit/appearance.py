"""What a cell looks like, in 160 numbers: colour, size, shape and texture of the image, the cell and its nucleus.

They are the features of classical cytometry: statistics of colour and of differences of Gaussians (Marr and Hildreth
1980, doi:10.1098/rspb.1980.0020) within each region, shape of the outlines, brightness from the edge of the cell to its
middle, and local binary patterns (Ojala 2002, doi:10.1109/TPAMI.2002.1017623). They take 2 to 3 ms an image and no
training, so that a classifier on them can be cross-validated within seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np

from cytopipe.core.io.workers import ordered_map
from cytopipe.data.tensors import Items

SIDE = 64  # of the images that are measured, pixels
CELL, NUCLEUS = 3, 4  # channels of the masks
_LEAST_PX = 8  # smaller regions are measured by their size alone
_BATCH = 64  # images at a time
_SCALES = (1, 2, 4, 8)  # standard deviations of the Gaussians, pixels
_EXTREMES, _SPREAD = (0.02, 0.98), (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles
_RANKED = (0, 5, 6, 7)  # maps with extremes: lightness, and the differences of Gaussians but the finest
_MAPS = 8  # L, a, b, gradient, and four differences of Gaussians
_REGION = 2 * _MAPS + len(_EXTREMES) * len(_RANKED) + len(_SPREAD) + 1  # numbers of a region, besides its size
_BANDS = 4  # from the edge of the cell to its middle
_RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # neighbours, in the order of angles
_CODES = 10  # rotation-invariant uniform patterns of eight neighbours


def appearances(items: Items, workers: int = 1) -> np.ndarray:
    """Measure images in several processes.

    Args:
        items: N x H x W x 5 uint8: red, green, blue, cell and nucleus.
        workers: number of processes; changes nothing but the speed.

    Returns:
        N x D float64.
    """
    return np.concatenate(list(ordered_map(_measured, _batches(items), workers)))


def appearance(item: np.ndarray) -> np.ndarray:
    """The numbers of one image, H x W x 5 uint8; those of a region without pixels are 0."""
    item = _scaled(item)
    rgb, masks = np.ascontiguousarray(item[..., :3]), item[..., [CELL, NUCLEUS]] > 0
    cell, nucleus = masks[..., 0], masks[..., 1]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    blurred = [grey, *(cv2.GaussianBlur(grey, (0, 0), scale) for scale in _SCALES)]
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    maps = np.dstack([lab, slope, *(fine - coarse for fine, coarse in pairwise(blurred))])
    where = cell if cell.sum() >= _LEAST_PX else np.ones_like(cell)
    regions = (np.ones_like(cell), cell, nucleus, cell & ~nucleus)
    return np.concatenate(
        [
            *(_region(maps, region) for region in regions),
            *(_shape(mask) for mask in (cell, nucleus)),
            _bands(grey, where),
            *(_patterns(image, step, where) for image, step in ((blurred[0], 1), (blurred[1], 2))),
        ]
    )


def _measured(items: np.ndarray) -> np.ndarray:
    return np.stack([appearance(item) for item in items])


def _batches(items: Items) -> Iterator[np.ndarray]:
    for start in range(0, len(items), _BATCH):
        yield np.asarray(items[start : start + _BATCH])


def _scaled(item: np.ndarray) -> np.ndarray:
    if item.shape[:2] == (SIDE, SIDE):
        return item
    shrinks = item.shape[0] > SIDE
    colours = np.ascontiguousarray(item[..., :3])
    scaled = cv2.resize(colours, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    masks = cv2.resize(np.ascontiguousarray(item[..., CELL:]), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return np.dstack([scaled, masks])


def _region(maps: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Size of a region, and the distribution of each map in it."""
    share = [region.mean()]
    values = np.ascontiguousarray(maps[region].T)  # maps x pixels, float32
    if values.shape[1] < _LEAST_PX:
        return np.array(share + [0.0] * _REGION)
    mean = values.mean(axis=1, dtype=np.float64)
    deviation = np.sqrt(
        np.maximum(np.einsum("mp,mp->m", values, values, dtype=np.float64) / values.shape[1] - mean**2, 0)
    )
    ranked = np.sort(values[_RANKED, :], axis=1)
    light = ranked[0].astype(np.float64)
    skew = ((light - mean[0]) ** 3).mean() / (deviation[0] ** 3 + 1)
    extremes = ranked[:, _places(_EXTREMES, len(light))].ravel()
    return np.concatenate([share, mean, deviation, extremes, light[_places(_SPREAD, len(light))] - mean[0], [skew]])


def _places(quantiles: tuple[float, ...], count: int) -> list[int]:
    return [round(quantile * (count - 1)) for quantile in quantiles]


def _shape(mask: np.ndarray) -> np.ndarray:
    """Circularity, convexity and elongation of the largest outline, and the logarithm of how many there are."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return np.zeros(4)
    largest = max(outlines, key=cv2.contourArea)
    area, length = cv2.contourArea(largest), cv2.arcLength(largest, closed=True)
    hull, sides = cv2.contourArea(cv2.convexHull(largest)), cv2.minAreaRect(largest)[1]
    circularity, elongation = 4 * np.pi * area / max(length**2, 1), min(sides) / max(*sides, 1)
    return np.array([circularity, area / max(hull, 1), elongation, np.log1p(len(outlines))])


def _bands(grey: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of the brightness in rings from the edge of the cell to its middle."""
    depth = cv2.distanceTransform(cell.astype(np.uint8), cv2.DIST_L2, 3)
    band = np.minimum((depth[cell] / depth.max() * _BANDS).astype(int), _BANDS - 1)
    values = grey[cell].astype(np.float64)
    count = np.maximum(np.bincount(band, minlength=_BANDS), 1)
    mean = np.bincount(band, values, _BANDS) / count
    square = np.bincount(band, values**2, _BANDS) / count
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))])


def _patterns(image: np.ndarray, step: int, cell: np.ndarray) -> np.ndarray:
    """Shares of the rotation-invariant uniform local binary patterns of eight neighbours `step` pixels away."""
    height, width = image.shape
    middle = image[step : height - step, step : width - step]
    higher = np.stack(
        [
            image[step + step * down : height - step + step * down, step + step * right : width - step + step * right]
            >= middle
            for down, right in _RING
        ]
    )
    changes = (higher != np.roll(higher, 1, axis=0)).sum(axis=0)
    codes = np.where(changes <= 2, higher.sum(axis=0), _CODES - 1)[cell[step : height - step, step : width - step]]
    return np.bincount(codes, minlength=_CODES) / max(len(codes), 1)
