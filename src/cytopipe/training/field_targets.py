"""Targets of a field network, from the layers of a crop: maps at half of its resolution, and rays at a quarter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.data.field_crops import UNKNOWN
from cytopipe.models.architectures.field_unet import MAP_STRIDE, RAY_STRIDE

STEP = 1.5  # pixels between the points at which a ray is looked at
SHORTEST = 1.0  # ray, pixels


class Targets(NamedTuple):
    """What a network should say of a batch of crops.

    Attributes:
        maps: N x 3 x H/2 x W/2 float32: shares of whole cell and nucleus, and nearness to the middle of the nucleus.
        known: N x 1 x H/2 x W/2 float32: 0 where nobody knows.
        points: P x 3 int64: item, row and column in the grid of the rays of points on nuclei.
        rays: P x R float32: lengths in pixels.
        seen: P x R bool: whether the ray ends within the crop, where the outline is known.
    """

    maps: torch.Tensor
    known: torch.Tensor
    points: torch.Tensor
    rays: torch.Tensor
    seen: torch.Tensor


def directions(rays: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Unit vectors of the rays, R x 2 float32 (row, column): the first to the right, then downwards."""
    angles = np.arange(rays) * (2 * np.pi / rays)
    return torch.from_numpy(np.stack([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)).to(device)


def make_targets(layers: torch.Tensor, rays: int, longest: float) -> Targets:
    """The targets of crops.

    Args:
        layers: N x H x W x 4 uint8, see `field_crops.LAYERS`; H and W are multiples of 4.
        rays: number of rays.
        longest: length beyond which no ray is followed, pixels.
    """
    nucleus, cell, other, middle = layers.unbind(-1)
    known = (cell != UNKNOWN).float()
    shown = torch.stack([((cell > 0) & (cell != UNKNOWN)).float(), (nucleus > 0).float(), middle.float() / 255], dim=1)
    maps = F.avg_pool2d(shown, MAP_STRIDE)
    half = F.avg_pool2d(known[:, None], MAP_STRIDE).floor()  # known as a whole
    middles = RAY_STRIDE // 2
    points = (nucleus[:, middles - 1 :: RAY_STRIDE, middles - 1 :: RAY_STRIDE] > 0).nonzero()
    lengths, seen = follow(cell, other, nucleus, points, rays, longest)
    return Targets(maps, half, points, lengths, seen)


def follow(
    cell: torch.Tensor, other: torch.Tensor, nucleus: torch.Tensor, points: torch.Tensor, rays: int, longest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Follow the rays from points on nuclei until they leave the cell.

    Args:
        cell, other: N x H x W uint8, the one or two cells at a pixel.
        nucleus: N x H x W uint8.
        points: P x 3 int64: item, and row and column in the grid of the rays, whose points lie in the middle of
            RAY_STRIDE x RAY_STRIDE pixels.
        rays: number of rays, R.
        longest: length at which a ray ends, pixels.

    Returns:
        P x R float32 lengths, and P x R bool: whether the end is that of the cell, not of the crop or of what is known.
    """
    height, width = cell.shape[1:]
    item, corner = points[:, 0], points[:, 1:] * RAY_STRIDE + (RAY_STRIDE // 2 - 1)
    own = nucleus[item, corner[:, 0], corner[:, 1]][:, None, None]
    steps = torch.arange(1, int(longest / STEP) + 1, device=cell.device, dtype=torch.float32) * STEP
    along = directions(rays, cell.device)[None, :, None, :] * steps[None, None, :, None]
    places = (corner[:, None, None, :].float() + 0.5 + along).round().long()  # P x R x S x 2
    rows, columns = places.unbind(-1)
    outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    flat = item[:, None, None] * (height * width) + rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    one, two = cell.reshape(-1)[flat], other.reshape(-1)[flat]
    left = outside | ((one != own) & (two != own))
    first = torch.where(left.any(-1), left.byte().argmax(-1), len(steps))
    lengths = (first.float() + 0.5) * STEP
    last = first.clamp(max=len(steps) - 1)[..., None]
    hidden = outside.gather(-1, last) | (one.gather(-1, last) == UNKNOWN)
    seen = (first < len(steps)) & ~hidden[..., 0]
    return lengths.clamp(min=SHORTEST), seen
