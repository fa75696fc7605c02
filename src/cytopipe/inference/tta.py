"""The eight orientations of a square image: what a network says about each is averaged at test time."""

from __future__ import annotations

import torch

# Quarter turns and whether to reflect first: the identity alone, or all eight of a square.
ORIENTED = {1: [(0, False)], 8: [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]}


def turn(images: torch.Tensor, turns: int, mirrored: bool, back: bool = False) -> torch.Tensor:
    """N x S x S x C reflected left to right, then turned by quarters; with `back`, that undone."""
    if back:
        upright = torch.rot90(images, -turns, (1, 2))
        return upright.flip(2) if mirrored else upright
    return torch.rot90(images.flip(2) if mirrored else images, turns, (1, 2))
