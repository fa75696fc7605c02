"""Features for the probes: responses to random whitened patches, averaged over the quadrants of the image.

These are the single-layer features of Coates, Lee and Ng 2011 ("An analysis of single-layer networks in unsupervised
feature learning") with patches of the data as the dictionary. They need no training, so that hundreds of linear
classifiers with different labels cost one matrix product, and an average over background patches hides their shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cytopipe.core.io.workers import ordered_map
from cytopipe.data.tensors import Items

CELL = 3  # the channel of the whole cell's mask in a stored item
PATCH_PX = 6
STRIDE = 2
# D x 3: maps a patch to its mean colour.
_COLOUR_MEAN = np.tile(np.eye(3), (PATCH_PX**2, 1)) / PATCH_PX**2
_THRESHOLD = 0.5  # smaller responses become 0, in units of the standard deviation of the response
_SAMPLED_IMAGES, _SAMPLES = 300, 20_000  # images and patches that the whitening is computed from
_BATCH = 64  # images at a time


@dataclass(frozen=True)
class Dictionary:
    """Whitened patches.

    Attributes:
        mean: D, the mean patch.
        filters: D x K; the responses of a patch are (patch - mean) @ filters.
        side: side of the images in pixels.
    """

    mean: np.ndarray
    filters: np.ndarray
    side: int

    @property
    def places(self) -> int:
        """Number of patches along a side of the image."""
        return (self.side - PATCH_PX) // STRIDE + 1


def learn_dictionary(items: Items, side: int, atoms: int, seed: int) -> Dictionary:
    """Draw the dictionary from patches of the images, without labels.

    Args:
        items: N x H x W x 5 uint8.
        side: side in pixels that images are scaled to.
        atoms: number of patches in the dictionary, K.
        seed: seed of the random draw.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(items), min(_SAMPLED_IMAGES, len(items)), replace=False))
    patches = np.concatenate([_patches(scale(items[int(k)], side)[None, ..., :3])[0] for k in chosen])
    sample = patches[rng.choice(len(patches), min(_SAMPLES, len(patches)), replace=False)]
    mean = sample.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    whiten = directions / np.sqrt(variances.clip(0) + 0.01 * variances.mean() + 1e-8) @ directions.T
    drawn = (sample[rng.choice(len(sample), min(atoms, len(sample)), replace=False)] - mean) @ whiten
    unit = drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-6)
    return Dictionary(mean, whiten @ unit.T, side)


def features(
    items: Items, dictionary: Dictionary, margin: int, workers: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average responses and colours of each quadrant of each image.

    Args:
        items: N x H x W x 5 uint8.
        dictionary: result of `learn_dictionary`.
        margin: pixels around the cell that do not count as background.
        workers: number of processes.

    Returns:
        Features of the whole images, N x D float64; features of their background, N x D float64, averaged only over
        patches outside the widened cell (a quadrant without any gets the average of the others); and the share of
        background patches in each image, N.
    """
    found = ordered_map(partial(_features, dictionary, margin), _batches(items), workers)
    whole, outside, shares = (np.concatenate(part) for part in zip(*found, strict=True))
    return whole, outside, shares


def _features(dictionary: Dictionary, margin: int, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The features of a batch, as `features` returns them."""
    images = np.stack([scale(item, dictionary.side) for item in items])
    patches = _patches(images[..., :3])
    responses = (patches - dictionary.mean) @ dictionary.filters
    np.abs(responses, out=responses)
    responses -= _THRESHOLD
    np.maximum(responses, 0, out=responses)
    mean = patches @ _COLOUR_MEAN
    deviation = np.sqrt(np.maximum(patches**2 @ _COLOUR_MEAN - mean**2, 0))
    values = np.concatenate([responses, mean, deviation], axis=2)
    shown = np.stack([_outside(image[..., CELL], margin) for image in images])
    whole = _pooled(values, np.ones_like(shown), dictionary.places)
    return whole, _pooled(values, shown, dictionary.places), shown.mean(axis=1)


def _pooled(values: np.ndarray, shown: np.ndarray, places: int) -> np.ndarray:
    """N x P x D values and N x P weights -> N x 4 D weighted means over quadrants."""
    row, column = np.divmod(np.arange(places**2), places)
    quarter = np.arange(4)[:, None] == 2 * (row >= places // 2) + (column >= places // 2)
    weights = shown[:, None] * quarter
    totals = weights.sum(axis=2, keepdims=True)
    everywhere = np.broadcast_to(shown[:, None], weights.shape)
    weights = np.where(
        totals > 0, weights / np.maximum(totals, 1), everywhere / np.maximum(everywhere.sum(2), 1)[..., None]
    )
    pooled: np.ndarray = weights @ values
    return pooled.reshape(len(values), -1)


def _outside(cell: np.ndarray, margin: int) -> np.ndarray:
    """H x W mask of the cell, above 0 inside -> P float64, 1 for patches that do not touch the covered cell."""
    widened = cover(cell, margin)
    windows = sliding_window_view(widened, (PATCH_PX, PATCH_PX))[::STRIDE, ::STRIDE]
    visible: np.ndarray = (windows.max(axis=(2, 3)) == 0).ravel().astype(np.float64)
    return visible


def cover(cell: np.ndarray, margin: int) -> np.ndarray:
    """Widen the mask of a cell by `margin` pixels and fill its holes.

    A hole in a predicted mask is a part of the cell that the segmenter missed, such as a dark parasite.

    Args:
        cell: H x W, above 0 inside the cell.
        margin: pixels around the cell.

    Returns:
        H x W uint8, 1 where the cell is covered.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    widened = cv2.dilate((cell > 0).astype(np.uint8), kernel)
    outlines, _ = cv2.findContours(widened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(widened, outlines, -1, 1, thickness=cv2.FILLED)


def _patches(colours: np.ndarray) -> np.ndarray:
    """N x H x W x 3 -> N x P x (PATCH_PX * PATCH_PX * 3), channels last within a patch."""
    windows = sliding_window_view(colours, (PATCH_PX, PATCH_PX), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    return np.ascontiguousarray(np.moveaxis(windows, 3, -1)).reshape(len(colours), -1, PATCH_PX * PATCH_PX * 3)


def _batches(items: Items) -> Iterator[np.ndarray]:
    """The items in batches of N x H x W x 5 uint8."""
    for start in range(0, len(items), _BATCH):
        yield np.asarray(items[start : start + _BATCH])


def scale(image: np.ndarray, side: int) -> np.ndarray:
    """Scale H x W x C uint8 to side x side x C float64 from 0 to 1; images are reduced by area averaging.

    A mask is above 0 where it touches a pixel.

    Only the first four channels are kept, because OpenCV averages no more: the mask of nuclei is dropped. Everything
    after this uses double precision, so that a last bit that differs between runs does not decide between two scores.
    """
    interpolation = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    small = image[..., : CELL + 1].astype(np.float32) / 255
    return cv2.resize(small, (side, side), interpolation=interpolation).astype(np.float64)
