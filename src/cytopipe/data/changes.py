"""Draw the random changes of training images, apart from applying them: the CPU and a GPU apply the same ones.

All numbers of a sample come from its own part of a counter-based generator, f(seed, epoch, index): neither the batch
that holds it, nor the number of loader workers, nor a resume changes them. Every change has fixed places in that part,
so switching one on or off leaves the draws of the others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cytopipe.core.params import Augmentation
from cytopipe.data.stains import draw_stains

LUMA = np.array([0.299, 0.587, 0.114])  # weights of red, green and blue in the brightness that the eye sees
_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
# A colour is the sum of its grey level and its chroma; hue turns the chroma about the grey axis.
_GREY = np.ones((3, 1)) * LUMA
_CHROMA = np.eye(3) - _GREY
_QUARTER_TURN = np.linalg.solve(_YIQ, np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _YIQ)
_MIRRORS = np.array([[[across, 0], [0, down]] for across in (1, -1) for down in (1, -1)])
_D4 = np.concatenate([_MIRRORS, _MIRRORS[:, ::-1]])  # all eight rotations and reflections
_DRAWS = 31  # per sample
# Third word of the counter: 0 for the draws for a whole sample, else what is drawn for every pixel, or painted.
_PIXELS, _PAINT = 1, 2


class Changes(NamedTuple):
    """The changes of N samples, in the order in which they are applied; None where no sample changes.

    Attributes:
        affine: N x 2 x 3 float32, from places in the result to places in the square sample, in units in which the
            sides lie at -1 and 1 (as `torch.nn.functional.affine_grid` takes it, with `align_corners=False`).
        colour: N x 3 x 3 float32 by which the column (red, green, blue) is multiplied.
        lift: N float32; this share of the mean brightness of the sample (see `LUMA`) is added to each colour.
        blur: N x 2 float32: size of the Gaussian kernel, odd, 0 for none, and its standard deviation, both in pixels.
        noise: N float32, standard deviation of the Gaussian noise added to each value of the colours, in grey levels.
        stains: N x 3 x 4 float32, affine maps of optical density (see `stains.py`); before `colour`.
        jpeg: N int, quality of a JPEG that the image is passed through at the end; 0 for none.
        palette, neighbours: N bool, whether the image is repainted by its mask (see `repaint.py`); before `stains`.
    """

    affine: np.ndarray | None
    colour: np.ndarray | None
    lift: np.ndarray | None
    blur: np.ndarray | None
    noise: np.ndarray | None
    stains: np.ndarray | None = None
    jpeg: np.ndarray | None = None
    palette: np.ndarray | None = None
    neighbours: np.ndarray | None = None


def draw_changes(config: Augmentation, seed: int, epoch: int, indices: Sequence[int] | np.ndarray) -> Changes:
    """Draw the changes of the samples with these indices.

    Args:
        config: probabilities and strengths of the changes.
        seed: the training's.
        epoch: number of the pass over the data, from 0.
        indices: indices of the samples in the training set.
    """
    draws = _uniform(seed, epoch, indices)
    geometry, appearance, blur, noise, scale, grey, stains, jpeg, repainted, last = np.split(
        draws, [8, 12, 15, 17, 18, 19, 26, 28, 30], axis=1
    )
    foreign = last[:, 0] < config.foreign
    colour, lift = _colour(config, appearance, foreign & (grey[:, 0] < config.grey))
    stains = np.where(foreign[:, None], stains, 0.5)  # the middle of a range changes nothing
    return Changes(
        _affine(config, geometry, np.where(foreign, scale[:, 0], 0.5)),
        colour,
        lift,
        _blur(config, blur),
        _noise(config, noise),
        draw_stains(config, stains),
        np.where(foreign & (jpeg[:, 0] < config.jpeg), 20 + (71 * jpeg[:, 1]).astype(int), 0) if config.jpeg else None,
        foreign & (repainted[:, 0] < config.palette) if config.palette else None,
        foreign & (repainted[:, 1] < config.neighbours) if config.neighbours else None,
    )


def pixel_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of what is drawn for every pixel of a sample (noise)."""
    return np.random.Generator(np.random.Philox(key=_key(seed, epoch), counter=[0, index, _PIXELS, 0]))


def paint_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of what a sample is repainted with."""
    return np.random.Generator(np.random.Philox(key=_key(seed, epoch), counter=[0, index, _PAINT, 0]))


def _key(seed: int, epoch: int) -> np.ndarray:
    key: np.ndarray = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64)
    return key


def _uniform(seed: int, epoch: int, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """N x draws float64, uniform in [0, 1)."""
    philox = np.random.Philox(key=_key(seed, epoch))
    state = philox.state  # moving the counter takes a quarter of the time of a new generator
    raw = np.empty((len(indices), _DRAWS), np.uint64)
    for row, index in enumerate(indices):
        state["state"]["counter"][:] = (0, index, 0, 0)
        philox.state = state
        raw[row] = philox.random_raw(_DRAWS)
    return (raw >> np.uint64(11)) * 2.0**-53


def _between(draws: np.ndarray, limit: float | np.ndarray) -> np.ndarray:
    """Uniform in [-limit, limit)."""
    return (2 * draws - 1) * limit


def _affine(config: Augmentation, draws: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """Flips, then zoom and shear along the sides, scale, then rotation and shift; N x 2 x 3 float32 or None."""
    scales = config.scale > 1
    if not (config.flips or config.rotation or config.zoom or config.shift or config.shear or scales):
        return None
    angle = np.deg2rad(_between(draws[:, 1], config.rotation))
    turn = _matrices([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    zoom_x, zoom_y = 1 / (1 + _between(draws[:, 2:4], config.zoom).T)
    shear_x, shear_y = np.tan(np.deg2rad(_between(draws[:, 6:8], config.shear).T))
    linear = _matrices([[zoom_x, shear_x * zoom_y], [shear_y * zoom_x, zoom_y]]) @ turn
    if config.flips:
        kinds = _MIRRORS if config.flips == "mirror" else _D4
        linear = kinds[(draws[:, 0] * len(kinds)).astype(int)] @ linear
    if scales:
        linear = linear * config.scale ** -_between(scale, 1)[:, None, None]
    shift = _between(draws[:, 4:6], 2 * config.shift)[..., None]  # a side is 2 long
    return np.concatenate([linear, -linear @ shift], axis=2).astype(np.float32)


def _matrices(elements: list[list[np.ndarray]]) -> np.ndarray:
    """N x rows x columns from rows of arrays of N."""
    return np.moveaxis(np.array(elements), -1, 0)


def _colour(config: Augmentation, draws: np.ndarray, grey: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Brightness scales, contrast stretches about the mean brightness, saturation the distance to grey, hue turns."""
    if not (config.brightness or config.contrast or config.saturation or config.hue or config.grey):
        return None, None
    limits = np.array([config.brightness, config.contrast, config.saturation])
    brightness, contrast, saturation = 1 + _between(draws[:, :3], limits).T
    saturation = np.where(grey, 0, saturation)
    angle = 2 * np.pi * _between(draws[:, 3], config.hue)
    along, across = (saturation * np.cos(angle))[:, None, None], (saturation * np.sin(angle))[:, None, None]
    colour = (brightness * contrast)[:, None, None] * (_GREY + along * _CHROMA + across * _QUARTER_TURN)
    lift = brightness * (1 - contrast)
    return colour.astype(np.float32), lift.astype(np.float32)


def _blur(config: Augmentation, draws: np.ndarray) -> np.ndarray | None:
    if not config.blur:
        return None
    sizes = (config.blur_kernel - 1) // 2  # 3, 5, ... up to the largest
    size = 3 + 2 * np.floor(draws[:, 1] * sizes)
    sigma = 0.5 + 2.5 * draws[:, 2]
    blur: np.ndarray = np.where(draws[:, :1] < config.blur, np.stack([size, sigma], axis=1), 0).astype(np.float32)
    return blur


def _noise(config: Augmentation, draws: np.ndarray) -> np.ndarray | None:
    """Half of the samples are noisy, up to the largest standard deviation."""
    if not config.noise:
        return None
    noise: np.ndarray = np.where(draws[:, 0] < 0.5, draws[:, 1] * config.noise * 255, 0).astype(np.float32)
    return noise
