"""The features of images in a classifier's penultimate layer: the input of the last layer of its head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.heads import head_of

LAYERS = (nn.Linear, nn.Conv2d)


def last_layer(model: nn.Module) -> nn.Module | None:
    """The last linear or convolutional layer of a classifier's head; None if the model has no single head."""
    try:
        head = head_of(model)[1]
    except CytopipeError:
        return None
    return next((part for part in reversed(list(head.modules())) if isinstance(part, LAYERS)), head)


@contextmanager
def watch_features(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the features of every call of the last layer, each N x D float64; nothing without a single head.

    Feature maps and sequences of tokens are averaged over their positions. A network that is called, or calls its head,
    several times for the same images (turned, for instance) leaves one entry for each; their mean counts.
    """
    layer, seen = last_layer(model), list[Tensor]()
    if layer is None:
        yield seen
        return

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(_pooled(arguments[0].detach().double(), maps=isinstance(layer, nn.Conv2d)))

    handle = layer.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def mean_of_calls(seen: list[Tensor]) -> Tensor | None:
    """The mean of the features of all calls with the same images, N x D float64, and forget them; None without any."""
    found = torch.stack(seen).mean(dim=0).cpu() if seen else None
    seen.clear()
    return found


def _pooled(values: Tensor, maps: bool) -> Tensor:
    """N x D from N x D, N x ... x D, or feature maps N x D x H x W."""
    if values.ndim == 2:
        return values
    return values.flatten(2).mean(dim=2) if maps else values.flatten(1, -2).mean(dim=1)
