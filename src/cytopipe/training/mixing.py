"""Several training images made one, with labels in proportion: MixUp, CutMix and mosaic.

Each batch is mixed with itself, shifted by one image (mosaic: by one, two and three): batches are shuffled, so that is
as good as any partner. What is drawn depends on (seed, epoch, step) alone, so a resumed training continues exactly.
(torchvision's MixUp and CutMix draw from the global generator.)
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.models.transforms import resize
from cytopipe.params import Augmentation

Mixed = tuple[torch.Tensor, torch.Tensor]  # N x C x H x W images, N x classes targets
_STREAM = 0x313  # keeps the draws apart from those of other generators with the same seed


class Mixer:
    """Mix a batch by the strengths of a recipe: a mosaic with its probability, else MixUp or CutMix, evenly.

    Args:
        config: `mosaic`, `mixup` and `cutmix`.
        seed: of the training.
        classes: their number.
    """

    def __init__(self, config: Augmentation, seed: int, classes: int) -> None:
        self.config, self.seed, self.classes = config, seed, classes
        self._pairwise = [name for name in ("mixup", "cutmix") if getattr(config, name)]

    @property
    def idle(self) -> bool:
        """Whether it leaves every batch as it is."""
        return not (self.config.mosaic or self._pairwise)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, epoch: int, step: int) -> Mixed:
        """Mix network inputs, and labels (N class indices) to shares; the same for the same (seed, epoch, step)."""
        targets = F.one_hot(labels, self.classes).float()
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
        share: of the image's own, 0 to 1.
    """
    other = 1 - share
    return images.lerp(images.roll(1, 0), other), targets.lerp(targets.roll(1, 0), other)


def cutmix(images: torch.Tensor, targets: torch.Tensor, share: float, y: float, x: float) -> Mixed:
    """Replace a box of each image with the same box of another (Yun 2019, arXiv:1905.04899).

    Args:
        images: N x C x H x W.
        targets: N x classes; weighted by the area that is left once the box is cut off at the border.
        share: of the image's own area, 0 to 1, where the box lies inside.
        y, x: centre of the box, as fractions of the sides.
    """
    height, width = images.shape[2:]
    top, bottom = _span(y * height, height * math.sqrt(1 - share), height)
    left, right = _span(x * width, width * math.sqrt(1 - share), width)
    mixed = images.clone(memory_format=torch.preserve_format)
    mixed[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    other = (bottom - top) * (right - left) / (height * width)
    return mixed, targets.lerp(targets.roll(1, 0), other)


def mosaic(images: torch.Tensor, targets: torch.Tensor, y: float, x: float) -> Mixed:
    """Shrink four images, whole, into a 2 x 2 collage (after Bochkovskiy 2020, arXiv:2004.10934).

    Args:
        images: N x C x H x W; the first three channels are colours, the others masks (which stay two-valued).
        targets: N x classes; weighted by area.
        y, x: where the four meet, as fractions of the sides, above 0 and below 1.
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
    """First and last pixel (excluded) of a stretch, within the side."""
    return max(0, round(centre - length / 2)), min(side, round(centre + length / 2))


def _inside(fraction: float, side: int) -> int:
    """A cut that leaves a pixel on both sides."""
    return min(max(1, round(fraction * side)), side - 1)
