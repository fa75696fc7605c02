"""Cheap statistics of stored images: brightness, contrast, colour, sharpness, and what lies in the middle.

They know nothing of the network, which maps much that is no cell at all (a blank image, noise) into the middle of a
class. Turning an image by a quarter or mirroring it changes none of them.
"""

from __future__ import annotations

import cv2
import numpy as np

from cytopipe.data.tensors import Items

BATCH = 128  # images at a time
SIDE = 64  # larger images are reduced to this side, pixels
RINGS = 3  # from the middle to the border
SCALES = (1, 2, 4)  # of fine structure, pixels
COUNT = 3 * RINGS + 3 + 2 + len(SCALES) + 2 + 2  # of statistics
LEAST = 0.01  # added to spreads before their logarithm, so that a constant channel has one


def image_statistics(items: Items) -> np.ndarray:
    """Statistics of images: what they show in three rings, contrast, saturation, fine structure, clipping, hue.

    Args:
        items: N x S x S x 3 (or more; further channels are ignored) uint8.

    Returns:
        N x COUNT float64, on scales on which cells are about normally distributed (logarithms of spreads and energies).
    """
    parts = [_statistics(_colours(items[start : start + BATCH])) for start in range(0, len(items), BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, COUNT))


def _colours(items: np.ndarray) -> np.ndarray:
    """The three colours of N x S x S x C items, N x S x S x 3 uint8 of at most 64 px."""
    colours = np.ascontiguousarray(items[..., :3])
    if colours.shape[1] <= SIDE:
        return colours
    return np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in colours])


def _statistics(images: np.ndarray) -> np.ndarray:
    """N x COUNT float64 from N x S x S x 3 uint8; from sums of whole numbers, so that they are alike everywhere."""
    count, side = len(images), images.shape[1]
    planes = np.ascontiguousarray(images.reshape(count, -1, 3).transpose(2, 0, 1)).astype(np.int32)  # 3 x N x pixels
    ring = _rings(side).ravel()
    in_rings = [planes[..., ring == one].mean(axis=2) / 255 for one in range(RINGS) if (ring == one).any()]
    in_rings += [in_rings[-1]] * (RINGS - len(in_rings))
    saturation = planes.max(axis=0) - planes.min(axis=0)
    grey = planes.sum(axis=0)
    fine = [np.log1p(_laplacian(_reduced(grey.reshape(count, side, side), scale))) for scale in SCALES]
    black, white = ((edge).all(axis=0).mean(axis=1) for edge in (planes <= 2, planes >= 253))
    hues = [_spread(planes[one] - planes[one + 1]) for one in (0, 1)]
    rows = [
        *np.concatenate(in_rings),
        *np.log([_spread(plane) + LEAST for plane in planes]),
        saturation.mean(axis=1) / 255,
        _spread(saturation),
        *fine,
        *np.sqrt([black, white]),
        *np.log(np.array(hues) + LEAST),
    ]
    return np.stack(rows, axis=1)


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation of N x P whole numbers over the pixels, on the scale from 0 to 1: N values."""
    mean, square = values.mean(axis=1), np.square(values).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)) / 255)


def _rings(side: int) -> np.ndarray:
    """The ring of each pixel, S x S: squares about the middle, of equal width."""
    place = np.abs(np.arange(side) * 2 + 1 - side)
    return np.asarray(np.minimum(np.maximum(place[:, None], place[None]) * RINGS // side, RINGS - 1))


def _reduced(grey: np.ndarray, scale: int) -> np.ndarray:
    """Sums over squares of `scale` x `scale` pixels of N x S x S whole numbers; what is left over is cut off."""
    side = grey.shape[1] // scale
    cut = grey[:, : side * scale, : side * scale]
    return np.asarray(cut.reshape(len(grey), side, scale, side, scale).sum(axis=(2, 4)))


def _laplacian(grey: np.ndarray) -> np.ndarray:
    """Mean absolute Laplacian of N x S x S whole numbers: N values; 0 for images under 3 px."""
    if min(grey.shape[1:]) < 3:
        return np.zeros(len(grey))
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return np.asarray(np.abs(4 * grey[:, 1:-1, 1:-1] - around).mean(axis=(1, 2)))
