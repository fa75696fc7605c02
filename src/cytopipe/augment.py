"""Random changes of training images: the one place where albumentations is used.

albumentations ignores global seeds and gives every loader worker the same draws, so each sample is seeded by itself:
f(seed, epoch, index). The number of workers changes nothing, and a resumed training continues exactly.
"""

from __future__ import annotations

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network when imported

import albumentations as A
import cv2
import numpy as np

from cytopipe.params import Augmentation

RGB = 3


class Augmenter:
    """Augment uint8 H x W x C samples: the first three channels as an image, the others (one or more) as masks.

    Args:
        config: strengths.
        seed: of the training.
    """

    def __init__(self, config: Augmentation, seed: int) -> None:
        self.seed = seed
        steps = [*_geometry(config), *_appearance(config)]
        self._compose = A.Compose(steps) if steps else None

    def __call__(self, sample: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """The augmented sample; the same for the same (seed, epoch, index)."""
        if self._compose is None:
            return sample
        self._compose.set_random_seed(sample_seed(self.seed, epoch, index))
        # Colour steps refuse more than three channels: masks travel beside the image.
        result = self._compose(
            image=np.ascontiguousarray(sample[..., :RGB]), mask=np.ascontiguousarray(sample[..., RGB:])
        )
        mask = result["mask"]
        return np.concatenate([result["image"], mask if mask.ndim == 3 else mask[..., None]], axis=-1)


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """A 32-bit seed of one sample in one epoch."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])


def _geometry(config: Augmentation) -> list[A.BasicTransform]:
    steps: list[A.BasicTransform] = []
    if config.flips:
        steps.append(A.D4(p=1))
    if config.rotation or config.zoom or config.shift:
        steps.append(
            A.Affine(
                scale=(1 - config.zoom, 1 + config.zoom),
                translate_percent=(-config.shift, config.shift),
                rotate=(-config.rotation, config.rotation),
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
        steps.append(A.GaussianBlur(blur_limit=(3, 3), p=config.blur))
    if config.noise:
        steps.append(A.GaussNoise(std_range=(0, config.noise), p=0.5))
    return steps
