"""Test-time augmentation: predictions are averaged over the eight orientations of a square image."""

from __future__ import annotations

import torch

# Orientations by the value of `tta`, as (quarter turns, reflect first): the identity, or all eight of a square.
ORIENTED = {1: [(0, False)], 8: [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]}


def turn(images: torch.Tensor, turns: int, mirrored: bool, back: bool = False) -> torch.Tensor:
    """Bring N x S x S x C images into an orientation, or back.

    Args:
        images: N x S x S x C, of any type.
        turns: quarter turns, counterclockwise.
        mirrored: whether images are reflected left to right before they are turned.
        back: undo the orientation instead.
    """
    if back:
        upright = torch.rot90(images, -turns, (1, 2))
        return upright.flip(2) if mirrored else upright
    return torch.rot90(images.flip(2) if mirrored else images, turns, (1, 2))
