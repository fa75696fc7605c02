"""Apply random changes to training images on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cytopipe.core.params import Augmentation
from cytopipe.data.changes import LUMA, Changes, draw_changes, paint_generator, pixel_generator
from cytopipe.data.repaint import repaint
from cytopipe.data.stains import restain
from cytopipe.data.tensors import Items

RGB = 3


class Augmenter:
    """Augment square uint8 samples: the first three channels as an image, the others (one or more) as masks.

    A sample is warped once, whatever its flips, turns and zooms: the image bilinearly, masks by nearest neighbour, with
    the surroundings mirrored at the border. All changes of stain are one affine map of optical density, rounded once;
    all changes of colour after them are one of the values. `palette` and `neighbours` need one mask with a segmenter's
    palette.

    Args:
        config: probabilities and strengths of the changes.
        seed: the training's.

    Attributes:
        idle: whether it leaves every sample as it is.
    """

    def __init__(self, config: Augmentation, seed: int) -> None:
        self.config, self.seed = config, seed
        self.idle = all(change is None for change in self.draw(0, [0]))

    def draw(self, epoch: int, indices: Sequence[int] | np.ndarray) -> Changes:
        """The changes of these samples; those of a sample depend on (seed, epoch, index) alone."""
        return draw_changes(self.config, self.seed, epoch, indices)

    def __call__(
        self, items: Items, epoch: int, indices: Sequence[int] | np.ndarray, channels: int | None = None
    ) -> np.ndarray:
        """Augment some of the items.

        Args:
            items: all items; uint8 S x S x C each, unless nothing is to be changed and all channels are wanted.
            epoch: number of the pass over the data, from 0.
            indices: indices of the items to return, N.
            channels: number of leading channels to return, at least 3; None returns all.

        Returns:
            The augmented items, N x S x S x channels uint8.
        """
        if self.idle:
            return _take(items, indices, channels)
        changes = self.draw(epoch, indices)
        side, channels = items.shape[1], channels or items.shape[3]
        matrices = None if changes.affine is None else _in_pixels(changes.affine, side)
        batch = np.empty((len(indices), side, side, channels), np.uint8)
        for row, index in enumerate(indices):
            image, masks = _split(items[int(index)], channels)
            mean = float(LUMA @ cv2.mean(image)[:RGB])
            if matrices is not None:
                image, masks = _warp(image, masks, matrices[row])
            image = self._repaint(image, masks, changes, (epoch, int(index)), row)
            if changes.stains is not None:
                image = restain(image, changes.stains[row])
            image = _change_colours(image, mean, changes, row)
            if changes.noise is not None and changes.noise[row]:
                image = _add_noise(image, changes.noise[row], pixel_generator(self.seed, epoch, int(index)))
            if changes.jpeg is not None and changes.jpeg[row]:
                image = _compress(image, int(changes.jpeg[row]))
            cv2.merge([image, *masks], batch[row])
        return batch

    def _repaint(
        self, image: np.ndarray, masks: list[np.ndarray], changes: Changes, sample: tuple[int, int], row: int
    ) -> np.ndarray:
        """Repaint a sample (its epoch and index) by its mask, if that was drawn."""
        palette, neighbours = (
            drawn is not None and bool(drawn[row]) for drawn in (changes.palette, changes.neighbours)
        )
        if not (palette or neighbours):
            return image
        mask = masks[0].reshape(image.shape[:2])
        return repaint(image, mask, palette, neighbours, paint_generator(self.seed, *sample))


def _take(items: Items, indices: Sequence[int] | np.ndarray, channels: int | None) -> np.ndarray:
    """The leading channels of the items with these indices; None takes whole items, of any shape."""
    if channels is None or channels == items.shape[-1]:
        return np.stack([items[int(index)] for index in indices])
    batch = np.empty((len(indices), *items.shape[1:-1], channels), np.uint8)
    places = [place for channel in range(channels) for place in (channel, channel)]
    for row, index in enumerate(indices):
        cv2.mixChannels([items[int(index)]], [batch[row]], places)
    return batch


def _in_pixels(affine: np.ndarray, side: int) -> np.ndarray:
    """From units in which the sides lie at -1 and 1 to pixels with centres at whole numbers, N x 2 x 3 float64."""
    linear, shift = affine[..., :2].astype(np.float64), affine[..., 2:]
    centre = (side - 1) / 2
    return np.concatenate([linear, centre * (1 - linear.sum(axis=2, keepdims=True)) + shift * side / 2], axis=2)


def _split(sample: np.ndarray, channels: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The colours and the masks, if any, of a sample; OpenCV takes a quarter of the time of numpy's slices."""
    counts = [RGB, channels - RGB] if channels > RGB else [RGB]
    parts = [np.empty((*sample.shape[:2], count), np.uint8) for count in counts]
    cv2.mixChannels([sample], parts, [place for channel in range(channels) for place in (channel, channel)])
    return parts[0], parts[1:]


def _warp(image: np.ndarray, masks: list[np.ndarray], matrix: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Warp by a matrix from places in the result to places in the sample, both in pixels."""

    def warped(array: np.ndarray, interpolation: int) -> np.ndarray:
        flags = cv2.WARP_INVERSE_MAP | interpolation
        return cv2.warpAffine(array, matrix, image.shape[:2], flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    # OpenCV warps four channels in two thirds of the time of three.
    four = warped(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), cv2.INTER_LINEAR)
    return cv2.cvtColor(four, cv2.COLOR_RGBA2RGB), [warped(mask, cv2.INTER_NEAREST) for mask in masks]


def _change_colours(image: np.ndarray, mean: float, changes: Changes, row: int) -> np.ndarray:
    """Change the colours of an image whose mean brightness is `mean`, then blur it."""
    if changes.colour is not None and changes.lift is not None:
        lift = np.full((RGB, 1), mean * changes.lift[row], np.float32)
        image = cv2.transform(image, np.hstack([changes.colour[row], lift]))
    if changes.blur is not None and changes.blur[row, 0]:
        size, sigma = int(changes.blur[row, 0]), float(changes.blur[row, 1])
        image = cv2.GaussianBlur(image, (size, size), sigma)
    return image


def _add_noise(image: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    noise = deviation * generator.standard_normal(image.shape, dtype=np.float32)
    noisy: np.ndarray = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return noisy


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after a JPEG file of this quality."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded here
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
