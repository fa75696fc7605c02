"""Test images altered until they are no longer like those that a classifier was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

# Optical densities of haematoxylin, eosin and a residual stain; Ruifrok 2001, "Quantification of histochemical staining
# by color deconvolution".
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
OTHER_STAIN = np.array([1.6, 0.6, 1.0])  # more haematoxylin, less eosin
TILES = 4  # a side
BLUR = 1 / 16  # standard deviation, share of the side
BRIGHTER = 2.0

Alteration = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # N x S x S x 3 uint8 to the same


def white(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing but white."""
    return np.full_like(images, 255)


def black(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing but black."""
    return np.zeros_like(images)


def noise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform noise in every channel of every pixel."""
    return rng.integers(0, 256, images.shape, dtype=np.uint8)


def blurred(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus: a Gaussian blur of a sixteenth of the side."""
    return np.stack([cv2.GaussianBlur(one, (0, 0), max(1.0, BLUR * images.shape[1])) for one in images])


def overexposed(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Twice as bright, cut off at white."""
    return np.asarray(np.minimum(images * BRIGHTER, 255), np.uint8)


def inverted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The negative."""
    return np.asarray(255 - images)


def other_stain(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another stain: the optical densities of haematoxylin and eosin are multiplied."""
    densities = -np.log((images.astype(np.float64) + 1) / 256)
    amounts = densities @ np.linalg.inv(STAINS) * OTHER_STAIN
    return np.asarray(np.clip(np.rint(256 * np.exp(-amounts @ STAINS) - 1), 0, 255), np.uint8)


def shuffled(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut into 4 x 4 tiles, which are put together at random."""
    count, side = len(images), images.shape[1] // TILES
    cut = images[:, : TILES * side, : TILES * side].reshape(count, TILES, side, TILES, side, 3)
    tiles = cut.transpose(0, 1, 3, 2, 4, 5).reshape(count, TILES**2, side, side, 3)
    mixed = np.stack([one[rng.permutation(TILES**2)] for one in tiles])
    whole = mixed.reshape(count, TILES, TILES, side, side, 3).transpose(0, 1, 3, 2, 4, 5)
    result = images.copy()
    result[:, : TILES * side, : TILES * side] = whole.reshape(count, TILES * side, TILES * side, 3)
    return result


def corner(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The upper left corner, an eighth of the side, enlarged: in images of single cells, background alone."""
    side = images.shape[1]
    part = images[:, : max(2, side // 8), : max(2, side // 8)]
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_LINEAR) for one in part])


ALTERATIONS: Mapping[str, Alteration] = {
    "white": white,
    "black": black,
    "noise": noise,
    "blurred": blurred,
    "overexposed": overexposed,
    "inverted": inverted,
    "other stain": other_stain,
    "shuffled tiles": shuffled,
    "enlarged corner": corner,
}
