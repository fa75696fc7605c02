"""Apply random changes to batches of training images where the network is: on the GPU, if there is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import RGB
from cytopipe.data.changes import LUMA, draw_changes
from cytopipe.data.stains import LEVELS


class TensorAugmenter:
    """Augment square uint8 images as `Augmenter` does, with the same draws, by torch.

    Colours differ from those of the CPU's by a few grey levels at most, because here a value is rounded only once and
    OpenCV interpolates in steps of 1/32 pixel.

    Args:
        config: strengths of the changes; without those of `ON_HOST`, which are made on the CPU only.
        seed: the training's.
    """

    def __init__(self, config: Augmentation, seed: int) -> None:
        self.config, self.seed = config, seed

    def __call__(self, items: torch.Tensor, epoch: int, indices: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Augment a batch.

        Args:
            items: N x S x S x C uint8, on any device: three colours, then masks (or none).
            epoch: number of the pass over the data, from 0.
            indices: indices of the items in the training set, N; on the CPU.

        Returns:
            N x S x S x C uint8, on the same device.
        """
        changes = draw_changes(self.config, self.seed, epoch, indices)
        planes = items.permute(0, 3, 1, 2)
        image, masks = planes[:, :RGB].float(), planes[:, RGB:].float()
        mean = torch.tensordot(image.mean(dim=(2, 3)), _on(LUMA.astype(np.float32), items), dims=1)
        if changes.affine is not None:
            grid = _grid(_on(changes.affine, items), items.shape[1])
            image = _warp(image, grid, "bilinear")
            masks = _warp(masks, grid, "nearest") if masks.shape[1] else masks
        if changes.stains is not None:
            image = _restain(image, _on(changes.stains, items))
        if changes.colour is not None and changes.lift is not None:
            lift = (mean * _on(changes.lift, items))[:, None, None, None]
            image = torch.einsum("nij,njhw->nihw", _on(changes.colour, items), image) + lift
        changed = torch.cat([image, masks], dim=1).round().clamp(0, 255).to(torch.uint8)
        return changed.permute(0, 2, 3, 1)


def _on(values: np.ndarray, items: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values).to(items.device, non_blocking=True)


def _restain(image: torch.Tensor, stains: torch.Tensor) -> torch.Tensor:
    """Images N x 3 x H x W, 0 to 255, under maps of their optical densities, N x 3 x 4; not rounded."""
    density = -torch.log((image + 1) / LEVELS)
    density = torch.einsum("nij,njhw->nihw", stains[..., :3], density) + stains[..., 3, None, None]
    return (torch.exp(-density) * LEVELS - 1).clamp(0, 255)


def _grid(affine: torch.Tensor, side: int) -> torch.Tensor:
    """The sampling grid of N x 2 x 3 matrices, N x S x S x 2.

    From units in which the sides lie at -1 and 1 to those in which the centres of the outer pixels do: reflection then
    mirrors the image about these centres, as OpenCV's BORDER_REFLECT_101 does.
    """
    matrices = torch.cat([affine[..., :2], affine[..., 2:] * (side / (side - 1))], dim=2)
    return F.affine_grid(matrices, [len(affine), 1, side, side], align_corners=True)


def _warp(planes: torch.Tensor, grid: torch.Tensor, mode: str) -> torch.Tensor:
    return F.grid_sample(planes, grid, mode=mode, padding_mode="reflection", align_corners=True)
