"""MixUp, CutMix and mosaic: combine training images, and their labels in proportion.

Each batch is mixed with itself, shifted by one image (mosaic: by one, two and three); since batches are shuffled, this
is as good as random partners. Random draws depend only on (seed, epoch, step), so a resumed training continues exactly;
MixUp and CutMix of torchvision draw from the global generator.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from cytopipe.core.params import Augmentation
from cytopipe.models.transforms import resize
from cytopipe.training.losses import one_hot

Mixed = tuple[torch.Tensor, torch.Tensor]  # N x C x H x W images, N x classes targets
REACH = 3  # images before its own that an image is mixed with
_STREAM = 0x313  # separates the draws from those of other generators with the same seed


class Mixer:
    """Mixes each batch by a mosaic, with its probability, or else by MixUp or CutMix with equal probability.

    Args:
        config: `mosaic` is a probability; `mixup` and `cutmix` are the parameters of their beta distributions. 0 turns
            each of them off.
        seed: seed of the training.
        classes: number of classes.
    """

    def __init__(self, config: Augmentation, seed: int, classes: int) -> None:
        self.config, self.seed, self.classes = config, seed, classes
        self._pairwise = [name for name in ("mixup", "cutmix") if getattr(config, name)]

    @property
    def idle(self) -> bool:
        """True if no batch is ever changed."""
        return not (self.config.mosaic or self._pairwise)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, epoch: int, step: int) -> Mixed:
        """Mix a batch; equal (seed, epoch, step) give equal results.

        Args:
            images: network inputs, N x C x H x W float32.
            labels: N class indices, int64.
            epoch, step: counted from 0.

        Returns:
            Mixed images, and soft targets N x classes float32.
        """
        targets = one_hot(labels, self.classes)
        rng = np.random.default_rng([self.seed, epoch, step, _STREAM])
        if rng.random() < self.config.mosaic:
            return mosaic(images, targets, *rng.uniform(0.25, 0.75, 2))
        if not self._pairwise:
            return images, targets
        if rng.choice(self._pairwise) == "mixup":
            return mixup(images, targets, rng.beta(self.config.mixup, self.config.mixup))
        return cutmix(images, targets, rng.beta(self.config.cutmix, self.config.cutmix), *rng.random(2))


def mixup(images: torch.Tensor, targets: torch.Tensor, share: float) -> Mixed:
    """Blend each image with another (Zhang 2018, arXiv:1710.09412).

    Args:
        images: N x C x H x W.
        targets: N x classes.
        share: weight of the image itself, 0 to 1.
    """
    other = 1 - share
    return images.lerp(images.roll(1, 0), other), targets.lerp(targets.roll(1, 0), other)


def cutmix(images: torch.Tensor, targets: torch.Tensor, share: float, y: float, x: float) -> Mixed:
    """Replace a box of each image with the same box of another (Yun 2019, arXiv:1905.04899).

    Args:
        images: N x C x H x W.
        targets: N x classes; weighted by the area of the box after it is clipped at the border.
        share: share of the image's own area, 0 to 1, if the box is not clipped.
        y, x: centre of the box, as fractions of height and width.
    """
    height, width = images.shape[2:]
    top, bottom = _span(y * height, height * math.sqrt(1 - share), height)
    left, right = _span(x * width, width * math.sqrt(1 - share), width)
    mixed = images.clone(memory_format=torch.preserve_format)
    mixed[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    other = (bottom - top) * (right - left) / (height * width)
    return mixed, targets.lerp(targets.roll(1, 0), other)


def mosaic(images: torch.Tensor, targets: torch.Tensor, y: float, x: float) -> Mixed:
    """Shrink four whole images into a 2 x 2 mosaic (after Bochkovskiy 2020, arXiv:2004.10934).

    Args:
        images: N x C x H x W; the first three channels are colours, the others masks, which stay binary.
        targets: N x classes; weighted by area.
        y, x: point where the four images meet, as fractions of height and width, between 0 and 1.
    """
    height, width = images.shape[2:]
    row, column = _inside(y, height), _inside(x, width)
    mixed, shares = torch.empty_like(images), torch.zeros_like(targets)
    quarters = [(rows, columns) for rows in ((0, row), (row, height)) for columns in ((0, column), (column, width))]
    for shift, ((top, bottom), (left, right)) in enumerate(quarters):
        size = bottom - top, right - left
        mixed[:, :, top:bottom, left:right] = resize(images.roll(shift, 0), size)
        shares += targets.roll(shift, 0) * (size[0] * size[1] / (height * width))
    return mixed, shares


def _span(centre: float, length: float, side: int) -> tuple[int, int]:
    """Start and end (exclusive) of an interval, clipped to the side, pixels."""
    return max(0, round(centre - length / 2)), min(side, round(centre + length / 2))


def _inside(fraction: float, side: int) -> int:
    """Position of a cut that leaves at least one pixel on both sides."""
    return min(max(1, round(fraction * side)), side - 1)
