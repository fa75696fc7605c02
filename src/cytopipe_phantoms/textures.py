"""Random textures: smooth, band-limited Gaussian fields that stand for granules, chromatin, film and mucus.

Sums of products are taken over whole numbers, small enough that a float holds every partial sum: then no processor
rounds any, in whatever order it adds and whether or not it fuses an addition with a multiplication.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.exact import Plane, Values

# Of the 24 bits of a float32's whole numbers a pixel gets 13 and the weights of a filter, together, 11.
_PIXEL, _WEIGHTS = 2.0**13, 2.0**11
_PHASES = 256  # positions between two points of a grid at which an interpolation has weights
cv2.setNumThreads(0)  # processes draw side by side, and its thread pool deadlocks in forked ones
_SUPPORT = 3  # of a Gaussian kernel, standard deviations


def blur(image: Plane, sigma: float) -> Plane:
    """Gaussian blur of an (H, W) float32 image, `sigma` in pixels; a small sigma returns the image itself.

    Beyond its frame the image is taken to go on as at its edge. The result is exact to 1 / 8192 of the largest value.
    """
    if sigma < 0.15:  # narrower than a pixel's own footprint: the kernel would be a single 1
        return image
    highest = max(float(image.max()), -float(image.min()))
    if highest == 0:
        return image
    unit = math.ldexp(1 / _PIXEL, math.frexp(highest)[1])
    whole = np.rint(image * np.float32(1 / unit))
    return _filter(whole, _kernel(sigma)) * np.float32(unit / _WEIGHTS)


def _filter(whole: Plane, kernel: Plane) -> Plane:
    """Whole numbers of up to _PIXEL weighted by a kernel along both axes: whole numbers, _WEIGHTS times as large."""
    one = np.ones(1, np.float32)
    across = cv2.sepFilter2D(whole, cv2.CV_32F, kernel, one, borderType=cv2.BORDER_REPLICATE)
    across = np.rint(across * np.float32(1 / _WEIGHTS))
    both = cv2.sepFilter2D(across, cv2.CV_32F, one, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(both, dtype=np.float32)


@lru_cache(maxsize=256)
def _kernel(sigma: float) -> Plane:
    """Whole-number weights of a Gaussian, of sum _WEIGHTS."""
    reach = math.ceil(_SUPPORT * sigma)
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    weights = exact.exp(-(at * at) / (2 * sigma * sigma))
    weights = np.rint(weights * (_WEIGHTS / exact.total(weights)))
    weights[reach] += _WEIGHTS - exact.total(weights)
    return weights.astype(np.float32)


def smooth_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Plane:
    """Gaussian random field of zero mean, unit variance and correlation length `length` (pixels).

    White noise on a grid no finer than the length needs is weighted by a Gaussian about each pixel, so that coarse
    fields cost little. A length under one pixel gives white noise of standard deviation `length`: what is left of
    a finer texture after a sensor pixel has averaged it.

    Returns:
        (H, W) float32.
    """
    if length < 1.0:
        return draws.white(shape, rng) * np.float32(length)
    if length <= 2.0:
        return _fine_noise(shape, length, rng)
    step = length / 2
    weights = _grid_weights()
    margin = weights.shape[1]
    grid = (math.ceil(shape[0] / step) + margin, math.ceil(shape[1] / step) + margin)
    field = np.rint(draws.white(grid, rng) * np.float32(2**12)).astype(np.float64)
    for side in shape:  # each time along the first axis; 15 + 18.5 + 18.5 bits at most
        field = _weigh(field, side, step, weights).T
    return np.asarray(field * 2.0**-46, dtype=np.float32)


def _fine_noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Plane:
    """The smooth field of a correlation length of 1 to 2 pixels, whose grid are the pixels."""
    kernel = _kernel(length)
    reach = len(kernel) // 2
    height, width = shape
    whole = np.rint(draws.white((height + 2 * reach, width + 2 * reach), rng) * np.float32(_PIXEL / 8))
    field = _filter(whole, kernel)[reach : reach + height, reach : reach + width]
    # The blur leaves a standard deviation of the kernel's square sum.
    return field * np.float32(8 / _PIXEL * _WEIGHTS / exact.total(kernel * kernel))


@lru_cache(maxsize=1)
def _grid_weights() -> Values:
    """Weights, in units of 2**-17 and of square sum 1, of the points of a grid about a place between two of them.

    Returns:
        (_PHASES, taps) whole numbers: a Gaussian with a standard deviation of two points about each of equally spaced
        places from one point to the next.
    """
    sigma, reach = 2, 2 * _SUPPORT
    away = np.arange(-reach, reach + 2)[None, :] - np.arange(_PHASES)[:, None] / _PHASES
    weights = exact.exp(-(away * away) / (2 * sigma * sigma))
    squares = [math.sqrt(exact.total(row * row)) for row in weights]
    result: Values = np.rint(weights / np.array(squares)[:, None] * 2**17)
    return result


def _weigh(field: Values, count: int, step: float, weights: Values) -> Values:
    """Weighted sums at `count` places, a pixel apart, down the columns of a grid with points `step` pixels apart.

    Only a band of the matrix of weights differs from 0, so that it is multiplied block by block.
    """
    taps = weights.shape[1]
    places = np.arange(count) / step
    first = places.astype(np.intp)
    phase = ((places - first) * len(weights)).astype(np.intp)
    result = np.empty((count, field.shape[1]))
    along, block = np.arange(taps), max(48, int(8 * step))
    for start in range(0, count, block):
        rows = slice(start, min(start + block, count))
        low, high = int(first[start]), int(first[rows.stop - 1]) + taps
        band = np.zeros((rows.stop - start, high - low))
        band[np.arange(len(band))[:, None], (first[rows] - low)[:, None] + along] = weights[phase[rows]]
        np.matmul(band, field[low:high], out=result[rows])
    return result


def fractal_noise(shape: tuple[int, int], length: float, rng: np.random.Generator, octaves: int = 3) -> Plane:
    """Sum of `octaves` smooth fields, each half as long and half as strong as the one before; unit variance.

    Returns:
        (H, W) float32.
    """
    total, weight, squares = np.zeros(shape, np.float32), 1.0, 0.0
    for _ in range(octaves):
        total += np.float32(weight) * smooth_noise(shape, length * weight, rng)
        squares += weight * weight
        weight /= 2
    total /= np.float32(math.sqrt(squares))
    return total


def ridges(field: Plane, width: float) -> Plane:
    """Fibres along the zero crossings of a smooth field: 1 on the crossing, near 0 further than `width`."""
    return exact.decay(np.square(field / np.float32(width)))


def speckles(shape: tuple[int, int], length: float, share: float, rng: np.random.Generator) -> Plane:
    """Sparse soft grains of about `length` pixels that cover about `share` of the plane, each 0 to 1.

    The grains are the peaks of a smooth field above the quantile that leaves `share`.
    """
    field = smooth_noise(shape, length, rng)
    level = float(np.quantile(field, 1 - share))
    result: Plane = np.clip((field - level) / np.float32(0.6), 0, 1)
    return result
