"""Parts of a network that attribution methods need: its last feature map, and its ReLU modules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cytopipe.models.heads import replaceable_activations

POOLING = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.FractionalMaxPool2d),
    *(nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
)


SMALLEST = 3  # positions per side; a coarser map does not localise anything


class MethodNotApplicable(Exception):  # noqa: N818  # a result, not an error
    """A method does not apply to this network; the message is the reason, as shown in the report."""


@dataclass(frozen=True)
class _Call:
    """A call of a module that returned a tensor; the tensor is kept alive, so that addresses stay unique."""

    name: str
    module: nn.Module
    output: Tensor


def last_feature_map(model: nn.Module, images: Tensor) -> tuple[str, nn.Module]:
    """Find the module that returns the last feature map of a network, for Grad-CAM.

    In the order in which modules finish, it is the last one that returns N x C x H x W with at least 3 x 3 positions,
    not directly from a pooling, and that is not inside a block that returns another size (in a branch of a block that
    reduces the map). For any architecture, this is the output of the last convolution of a useful resolution, after
    everything that follows at that resolution (normalisation, activation, attention). For a vision transformer it is
    the patch embedding.

    Args:
        model: network in evaluation mode.
        images: N x C x H x W, the network's input.

    Returns:
        The dotted name of the module, and the module.

    Raises:
        MethodNotApplicable: there is no such map, the network computes it several times per image, or its channels come
            last.
    """
    calls = _calls(model, images)
    pooled = {call.output.data_ptr() for call in calls if isinstance(call.module, POOLING)}
    maps = [call for call in calls if call.output.ndim == 4 and call.output.data_ptr() not in pooled]
    # A Sequential is a series of steps, each of which may be the last of its size; other modules are blocks.
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
    """The calls of all modules except the model itself, in the order in which they finish."""
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
    """Names of the modules that contain a module, and its own: "a.b.c" -> a, a.b, a.b.c."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def require_relu(model: nn.Module) -> None:
    """Prepare a network for guided backpropagation, which replaces the gradients of ReLU modules.

    In-place operation, which overwrites the inputs that the method needs, is switched off; outputs stay the same.

    Raises:
        MethodNotApplicable: the network has no ReLU, or other activations as well.
    """
    activations = [part for part in model.modules() if isinstance(part, replaceable_activations())]
    others = sorted({type(part).__name__ for part in activations if not _relu(part)})
    if others:
        raise MethodNotApplicable(f"the method is defined for ReLU alone, and the network has {', '.join(others)}")
    found = [part for part in model.modules() if _relu(part)]
    if not found:
        raise MethodNotApplicable("the method is defined for ReLU alone, and the network has none")
    for part in found:
        part.inplace = False  # type: ignore[assignment]  # nn.Module types its attributes as Tensor or Module


def _relu(module: nn.Module) -> bool:
    return isinstance(module, nn.ReLU)
