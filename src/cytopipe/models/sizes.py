"""Checks of an image's size, for the networks that do not take any."""

from __future__ import annotations

from torch import Tensor

from cytopipe.errors import CytopipeError


def require_side(images: Tensor, side: int, network: str) -> None:
    """CytopipeError unless images N x C x H x W are squares of `side` pixels, as dense layers on a flat map need."""
    height, width = images.shape[-2:]
    if (height, width) != (side, side):
        raise CytopipeError(
            f"an image of {height} x {width} px does not fit a network built for {side} x {side} px",
            where=network,
            hint=f"set the classifier's input_size: {side}, or its arguments: {{input_size: {height}}}",
        )


def require_at_least(images: Tensor, side: int, network: str) -> None:
    """CytopipeError where images N x C x H x W are so small that nothing is left after the last pooling."""
    height, width = images.shape[-2:]
    if min(height, width) < side:
        raise CytopipeError(
            f"an image of {height} x {width} px is too small: it needs {side} px a side",
            where=network,
            hint=f"set the classifier's input_size to {side} or more",
        )
