"""What a small classifier sees: responses to random whitened patches, averaged over quarters of the image.

Single-layer features of Coates, Lee and Ng 2011 ("An analysis of single-layer networks in unsupervised feature
learning") with patches of the data as dictionary. They need no training, so that hundreds of linear classifiers, each
with other labels, cost one matrix product; and an average over the background's patches does not tell its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cytopipe.data.tensors import Items

CELL = 3  # the channel of the whole cell's mask in a stored item
PATCH_PX = 6
STRIDE = 2
# D x 3: the mean colour of a patch.
_COLOUR_MEAN = np.tile(np.eye(3), (PATCH_PX**2, 1)) / PATCH_PX**2
_THRESHOLD = 0.5  # responses below are 0 (in units of the response's standard deviation)
_SAMPLED_IMAGES, _SAMPLES = 300, 20_000  # images and patches that the whitening is computed from
_BATCH = 64  # images at once


@dataclass(frozen=True)
class Dictionary:
    """Whitened patches: a response is (patch - mean) @ filters, where filters is D x K."""

    mean: np.ndarray
    filters: np.ndarray
    side: int

    @property
    def places(self) -> int:
        """Patches along a side of the image."""
        return (self.side - PATCH_PX) // STRIDE + 1


def learn_dictionary(items: Items, side: int, atoms: int, seed: int) -> Dictionary:
    """Draw the dictionary from the images: no label, no training.

    Args:
        items: N x H x W x 5 uint8.
        side: of the images that the classifier sees, pixels.
        atoms: number of patches in the dictionary, K.
        seed: of the draw.
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


def features(items: Items, dictionary: Dictionary, margin: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average responses and colours of each quarter of each image.

    Args:
        items: N x H x W x 5 uint8.
        dictionary: of `learn_dictionary`.
        margin: pixels around the cell that do not count as background.

    Returns:
        Features of the whole images, N x D float64; features of their background, where only patches outside the
        widened cell are averaged (a quarter without any takes the average of the others), N x D; and the share of
        each image's patches that are background, N.
    """
    whole, outside, shares = [], [], []
    for batch in _batches(items, dictionary.side):
        patches = _patches(batch[..., :3])
        responses = (patches - dictionary.mean) @ dictionary.filters
        np.abs(responses, out=responses)
        responses -= _THRESHOLD
        np.maximum(responses, 0, out=responses)
        mean = patches @ _COLOUR_MEAN
        deviation = np.sqrt(np.maximum(patches**2 @ _COLOUR_MEAN - mean**2, 0))
        values = np.concatenate([responses, mean, deviation], axis=2)
        shown = np.stack([_outside(image[..., CELL], margin) for image in batch])
        whole.append(_pooled(values, np.ones_like(shown), dictionary.places))
        outside.append(_pooled(values, shown, dictionary.places))
        shares.append(shown.mean(axis=1))
    return np.concatenate(whole), np.concatenate(outside), np.concatenate(shares)


def _pooled(values: np.ndarray, shown: np.ndarray, places: int) -> np.ndarray:
    """N x P x D values and N x P weights -> N x 4 D averages over quarters."""
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
    """H x W float, above 0 in the cell -> P, 1 for patches that do not touch the covered cell."""
    widened = cover(cell, margin)
    windows = sliding_window_view(widened, (PATCH_PX, PATCH_PX))[::STRIDE, ::STRIDE]
    visible: np.ndarray = (windows.max(axis=(2, 3)) == 0).ravel().astype(np.float64)
    return visible


def cover(cell: np.ndarray, margin: int) -> np.ndarray:
    """What hides a cell: H x W, above 0 in it -> H x W uint8, 1 in it, in its holes, and `margin` pixels around it.

    A hole in a predicted mask is a part of the cell that the segmenter missed, such as a dark parasite.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    widened = cv2.dilate((cell > 0).astype(np.uint8), kernel)
    outlines, _ = cv2.findContours(widened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(widened, outlines, -1, 1, thickness=cv2.FILLED)


def _patches(colours: np.ndarray) -> np.ndarray:
    """N x H x W x 3 -> N x P x (PATCH_PX * PATCH_PX * 3), channels last within a patch."""
    windows = sliding_window_view(colours, (PATCH_PX, PATCH_PX), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    return np.ascontiguousarray(np.moveaxis(windows, 3, -1)).reshape(len(colours), -1, PATCH_PX * PATCH_PX * 3)


def _batches(items: Items, side: int) -> Iterator[np.ndarray]:
    """Images scaled to `side`, N x side x side x 4 float64 from 0 to 1; a mask is above 0 where it touches a pixel."""
    for start in range(0, len(items), _BATCH):
        batch = np.asarray(items[start : start + _BATCH])
        yield np.stack([scale(image, side) for image in batch])


def scale(image: np.ndarray, side: int) -> np.ndarray:
    """H x W x C uint8 -> side x side x C (at most 4) float64 from 0 to 1, by the average of areas when it shrinks.

    The mask of nuclei, a fifth channel, is left out: OpenCV averages no more than four. The rest is computed in double
    precision: a sum's last bit may differ from run to run, and must not tip a comparison of two scores.
    """
    interpolation = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    small = image[..., : CELL + 1].astype(np.float32) / 255
    return cv2.resize(small, (side, side), interpolation=interpolation).astype(np.float64)
