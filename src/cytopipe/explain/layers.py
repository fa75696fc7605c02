"""Parts of a network that attribution methods need: its last feature map, and activations that they can replace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cytopipe.models.heads import REPLACED

POOLING = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d),
    *(nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
)


SMALLEST = 3  # positions a side: a coarser map says nothing about where


class MethodNotApplicable(Exception):  # noqa: N818  # it is an answer, not a fault
    """A method does not apply to this network; the message is the reason, for the reader of the report."""


@dataclass(frozen=True)
class _Call:
    """One call of one module that returned a tensor, which is kept alive, so that no two share an address."""

    name: str
    module: nn.Module
    output: Tensor


def last_feature_map(model: nn.Module, images: Tensor) -> tuple[str, nn.Module]:
    """The module that returns the last feature map of a network, for Grad-CAM, and its dotted name.

    The rule: in the order in which modules finish, the last that returns N x C x H x W with at least 3 x 3 positions,
    not straight from a pooling, and lies in no block that goes on to another size (so it is no branch of one that
    reduces the map). So it is what the last convolution of a useful resolution gives, with all that follows at that
    resolution (normalisation, activation, attention), whatever the architecture. Of a vision transformer it is the
    embedding of its patches.

    Args:
        model: in evaluation mode.
        images: N x C x H x W, as it takes them.

    Raises:
        MethodNotApplicable: there is none, the network computes it several times an image, or its channels are last.
    """
    calls = _calls(model, images)
    pooled = {call.output.data_ptr() for call in calls if isinstance(call.module, POOLING)}
    maps = [call for call in calls if call.output.ndim == 4 and call.output.data_ptr() not in pooled]
    # A plain sequence is a row of steps, each of which may be the last of its size; other modules are blocks.
    sizes = {call.name: call.output.shape[2:] for call in maps if not isinstance(call.module, nn.Sequential)}

    def stays(call: _Call) -> bool:
        return all(sizes.get(name, call.output.shape[2:]) == call.output.shape[2:] for name in _around(call.name))

    fit = [call for call in maps if min(call.output.shape[2:]) >= SMALLEST and stays(call)]
    if not fit:
        raise MethodNotApplicable(f"the network has no feature map of {SMALLEST} x {SMALLEST} positions or more")
    chosen = fit[-1]
    if sum(call.module is chosen.module for call in calls) > 1:
        raise MethodNotApplicable(
            "the network computes its last feature map several times an image, once for each turn"
        )
    parts = dict(model.named_modules())
    if any(getattr(parts[name], "output_fmt", "NCHW") == "NHWC" for name in ("", *_around(chosen.name))):
        raise MethodNotApplicable("the channels of its feature maps come last, which Grad-CAM does not know")
    return chosen.name, chosen.module


def _calls(model: nn.Module, images: Tensor) -> list[_Call]:
    """Every module's calls in the order in which they finish, without the model itself."""
    calls: list[_Call] = []

    def record(name: str, module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            calls.append(_Call(name, module, output))

    parts = [(name, module) for name, module in model.named_modules() if name]
    hooks = [module.register_forward_hook(partial(record, name)) for name, module in parts]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _around(name: str) -> list[str]:
    """Names of the modules that hold a module, and its own: "a.b.c" -> a, a.b, a.b.c."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def require_relu(model: nn.Module) -> None:
    """Make a network fit for guided back-propagation, which replaces the gradient of ReLU modules.

    They no longer work in place: a gradient cannot be replaced where its input was overwritten. Outputs stay the same.

    Raises:
        MethodNotApplicable: the network has no ReLU, or other activations, through which nothing would be guided.
    """
    others = sorted({type(part).__name__ for part in model.modules() if isinstance(part, REPLACED) and not _relu(part)})
    if others:
        raise MethodNotApplicable(f"the method is defined for ReLU alone, and the network has {', '.join(others)}")
    found = [part for part in model.modules() if _relu(part)]
    if not found:
        raise MethodNotApplicable("the method is defined for ReLU alone, and the network has none")
    for part in found:
        part.inplace = False  # type: ignore[assignment]  # nn.Module types its attributes as Tensor or Module


def _relu(module: nn.Module) -> bool:
    return isinstance(module, nn.ReLU)
