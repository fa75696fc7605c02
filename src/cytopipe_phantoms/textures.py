"""Random textures: smooth, band-limited Gaussian fields that stand for granules, chromatin, film and mucus."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def blur(image: Plane, sigma: float) -> Plane:
    """Gaussian blur of an (H, W) or (H, W, C) float32 image, `sigma` in pixels; 0 returns the image itself.

    Beyond its frame the image is taken to go on as at its edge.
    """
    if sigma < 0.15:  # narrower than a pixel's own footprint: the kernel would be a single 1
        return image
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32)


def smooth_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Plane:
    """Gaussian random field of zero mean, unit variance and correlation length `length` (pixels).

    White noise is blurred on a grid no finer than the length needs, then interpolated, so that coarse fields
    cost little. A length under one pixel gives white noise of standard deviation `length`: what is left of
    a finer texture after a sensor pixel has averaged it.

    Returns:
        (H, W) float32.
    """
    height, width = shape
    step = max(1.0, length / 2)
    grid = (int(np.ceil(height / step)) + 4, int(np.ceil(width / step)) + 4)
    white = rng.standard_normal(grid, dtype=np.float32)
    if length < 1.0:
        return white[:height, :width] * np.float32(length)
    sigma = length / step
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma)
    field = cv2.sepFilter2D(white, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    field = field / np.float32(np.sum(kernel**2))  # the standard deviation that the blur left
    if step > 1.0:
        size = (round(grid[1] * step), round(grid[0] * step))
        field = cv2.resize(field, size, interpolation=cv2.INTER_CUBIC)
    # The outermost grid cells are skipped: reflection at the grid's edge correlates them.
    skip = int(step)
    return np.asarray(field[skip : skip + height, skip : skip + width], dtype=np.float32)


def fractal_noise(shape: tuple[int, int], length: float, rng: np.random.Generator, octaves: int = 3) -> Plane:
    """Sum of `octaves` smooth fields, each half as long and half as strong as the one before; unit variance.

    Returns:
        (H, W) float32.
    """
    weights = [0.5**k for k in range(octaves)]
    layers = [w * smooth_noise(shape, length * w, rng) for w in weights]
    total = np.sum(layers, axis=0, dtype=np.float32)
    return np.asarray(total / np.float32(np.sqrt(sum(w * w for w in weights))), dtype=np.float32)


def ridges(field: Plane, width: float) -> Plane:
    """Fibres along the zero crossings of a smooth field: 1 on the crossing, near 0 further than `width`."""
    result: Plane = np.exp(-np.square(field / np.float32(width)))
    return result


def speckles(shape: tuple[int, int], length: float, share: float, rng: np.random.Generator) -> Plane:
    """Sparse soft grains of about `length` pixels that cover about `share` of the plane, each 0 to 1.

    The grains are the peaks of a smooth field above the quantile that leaves `share`.
    """
    field = smooth_noise(shape, length, rng)
    level = float(np.quantile(field, 1 - share))
    result: Plane = np.clip((field - level) / np.float32(0.6), 0, 1)
    return result
