"""The image size of timm's models: many transformers are built for one, and can be built for another.

A network that takes the images as it is stays as it is. Otherwise it is built with timm's `img_size`, and model.json
keeps that argument. Some architectures take neither; the error names sizes that they do take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import build, find

STEP = 32  # the stride of nearly all networks; other sizes that are offered are its multiples
_REFUSALS = (AssertionError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError)


def size_arguments(model: nn.Module, architecture: str, arguments: Mapping[str, Any], side: int) -> dict[str, Any]:
    """The arguments that a network must be built with besides `arguments` to take square images; mostly none.

    Args:
        model: the network, as built with `arguments`; it is not changed.
        architecture: name in the registry; only timm's models are tried.
        arguments: arguments of its builder, with `in_channels`.
        side: side of the images, pixels.

    Raises:
        CytopipeError: it takes no images of this size, however it is built.
    """
    if not find(architecture).name.startswith("timm/") or takes(model, arguments["in_channels"], side):
        return {}
    if arguments.get("img_size") not in (None, side):
        raise CytopipeError(
            f"arguments.img_size is {arguments['img_size']}, and the images are {side} x {side} px",
            where=architecture,
            hint="leave img_size out of the arguments: the network is built for the images",
        )
    if _can_be_built(architecture, arguments, side):
        return {"img_size": side}
    plain = {name: value for name, value in arguments.items() if name != "img_size"}
    sizes = [size for size in _near(side, model) if _fits(architecture, plain, size)]
    listed = " or ".join(str(size) for size in sizes) or "another size"
    raise CytopipeError(
        f"takes no images of {side} x {side} px",
        where=architecture,
        hint=f"set the dataset's image_size, or the classifier's input_size, to {listed}",
    )


def takes(model: nn.Module, channels: int, side: int) -> bool:
    """Whether a network computes square images of `side` px; its mode and torch's random generator are unchanged."""
    modes = {part: part.training for part in model.modules()}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model.eval()(torch.zeros(2, channels, side, side))
    except _REFUSALS:
        return False
    finally:
        for part, mode in modes.items():
            part.training = mode
    return True


def _near(side: int, model: nn.Module) -> Iterable[int]:
    """The multiples of STEP beside a size, and the size that the network's weights are published for."""
    below = side // STEP * STEP
    published = getattr(model, "pretrained_cfg", {}).get("input_size", (3, 224, 224))[-1]
    return sorted({size for size in (below, below + STEP, published) if size > 0 and size != side})


def _fits(architecture: str, arguments: Mapping[str, Any], side: int) -> bool:
    with torch.random.fork_rng(devices=[]):
        model = build(architecture, **arguments)
    return takes(model, arguments["in_channels"], side) or _can_be_built(architecture, arguments, side)


def _can_be_built(architecture: str, arguments: Mapping[str, Any], side: int) -> bool:
    """Whether timm builds the network for this size."""
    try:
        with torch.random.fork_rng(devices=[]):
            model = build(architecture, **{**arguments, "img_size": side})
    except CytopipeError:
        return False
    return takes(model, arguments["in_channels"], side)
