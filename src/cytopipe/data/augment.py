"""Random changes of training images: the one place where albumentations is used.

albumentations ignores global seeds and gives every loader worker the same draws, so each sample has a seed of its own,
f(seed, epoch, index). The number of workers changes nothing, and a resumed training continues exactly.
"""

from __future__ import annotations

import os
import random

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network when imported

from typing import Any

import albumentations as A
import cv2
import numpy as np

from cytopipe.core.params import Augmentation

RGB = 3


class Augmenter:
    """Augment uint8 H x W x C samples: the first three channels as an image, the others (one or more) as masks.

    Args:
        config: probabilities and strengths of the changes.
        seed: the training's.
    """

    def __init__(self, config: Augmentation, seed: int) -> None:
        self.seed = seed
        steps = [*_geometry(config), *_appearance(config)]
        self._compose = A.Compose(steps) if steps else None

    @property
    def idle(self) -> bool:
        """Whether it leaves every sample as it is."""
        return self._compose is None

    def __call__(self, sample: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """The augmented sample; the same for the same (seed, epoch, index)."""
        if self._compose is None:
            return sample
        seed = sample_seed(self.seed, epoch, index)
        # Generators that all steps share: `set_random_seed` gives each step its own of the same seed, so that noise
        # comes with blur or not at all.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        # Colour steps refuse more than three channels: masks travel beside the image. (OpenCV's merge and split take a
        # fifth of the time of numpy's.)
        planes = cv2.split(sample)
        changed = self._compose(image=cv2.merge(planes[:RGB]), mask=cv2.merge(planes[RGB:]))
        merged: np.ndarray = cv2.merge([changed["image"], changed["mask"]])
        return merged


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """A 32-bit seed of one sample in one epoch."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])


class Affine(A.Affine):  # type: ignore[misc]  # albumentations has no types
    """albumentations' Affine without its check for the identity, which costs as much as warping a small image."""

    def apply(self, img: np.ndarray, matrix: np.ndarray, output_shape: tuple[int, int], **params: Any) -> np.ndarray:
        """Warp the image, H x W x C."""
        return self._warp(img, matrix, output_shape, self.interpolation)

    def apply_to_mask(
        self, mask: np.ndarray, matrix: np.ndarray, output_shape: tuple[int, int], **params: Any
    ) -> np.ndarray:
        """Warp the mask, H x W or H x W x C."""
        return self._warp(mask, matrix, output_shape, self.mask_interpolation)

    def _warp(self, array: np.ndarray, matrix: np.ndarray, shape: tuple[int, int], interpolation: int) -> np.ndarray:
        size = (shape[1], shape[0])
        result: np.ndarray = cv2.warpAffine(array, matrix[:2], size, flags=interpolation, borderMode=self.border_mode)
        return result


def _geometry(config: Augmentation) -> list[A.BasicTransform]:
    steps: list[A.BasicTransform] = []
    if config.flips == "mirror":
        steps += [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]
    elif config.flips:
        steps.append(A.D4(p=1))
    if config.rotation or config.zoom or config.shift or config.shear:
        steps.append(
            Affine(
                scale=(1 - config.zoom, 1 + config.zoom),
                translate_percent=(-config.shift, config.shift),
                rotate=(-config.rotation, config.rotation),
                shear=(-config.shear, config.shear),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            )
        )
    return steps


def _appearance(config: Augmentation) -> list[A.BasicTransform]:
    steps: list[A.BasicTransform] = []
    if config.brightness or config.contrast or config.saturation or config.hue:
        steps.append(
            A.ColorJitter(
                brightness=(1 - config.brightness, 1 + config.brightness),
                contrast=(1 - config.contrast, 1 + config.contrast),
                saturation=(1 - config.saturation, 1 + config.saturation),
                hue=(-config.hue, config.hue),
                p=1,
            )
        )
    if config.blur:
        steps.append(A.GaussianBlur(blur_limit=(3, config.blur_kernel), p=config.blur))
    if config.noise:
        steps.append(A.GaussNoise(std_range=(0, config.noise), p=0.5))
    return steps
