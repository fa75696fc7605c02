"""Keys of torchvision, efficientnet_pytorch and layer sequences, as timm's keys for the same network."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import Tensor

from cytopipe.models import efficientnet_names
from cytopipe.weights.candidates import POSITIONAL
from cytopipe.weights.parts import State

_SEQUENCE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "9": "fc"}
_TRANSFORMER = (
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
)


def is_torchvision(state: State) -> bool:
    """Whether the keys are torchvision's and not also timm's."""
    return "conv_proj.weight" in state or any(stem in state for stem in POSITIONAL)


def timm_state(state: State, network: str, target: State) -> State:
    """Tensors by timm's keys, where the names they have are known; otherwise as they are.

    Args:
        state: tensors by their keys in the checkpoint.
        network: timm's name of the network.
        target: its state dict in timm, whose shapes are taken where the number of values is the same.
    """
    if efficientnet_names.STEM in state:
        return efficientnet_names.timm_names(state, target)
    if "4.0.conv1.weight" in state:
        parted = ((key.partition("."), tensor) for key, tensor in state.items())
        return {f"{_SEQUENCE.get(first, first)}.{rest}": tensor for (first, _, rest), tensor in parted}
    if "conv_proj.weight" in state:
        return {_replaced(key): tensor for key, tensor in state.items()}
    if any(stem in state and network in networks for stem, networks in POSITIONAL.items()):
        return _by_position(state, target)
    return state


def _replaced(key: str) -> str:
    for pattern, new in _TRANSFORMER:
        key = re.sub(pattern, new, key)
    return key


def _by_position(state: State, target: State) -> State:
    """The n-th module of one is the n-th of the other; as they are if the two have not the same number."""
    given, wanted = _modules(sorted(state, key=_natural)), _modules(target)
    if len(given) != len(wanted):
        return state
    named = {}
    for module, place in zip(given, wanted, strict=True):
        for leaf in given[module]:
            key = f"{place}.{'gamma' if leaf == 'layer_scale' else leaf}"
            named[key] = _shaped(state[f"{module}.{leaf}"], target.get(key))
    return named


def _shaped(tensor: Tensor, like: Tensor | None) -> Tensor:
    """A linear layer as the convolution that it is in timm, a scale of each channel without axes of the image."""
    same = like is not None and tensor.numel() == like.numel() and tensor.shape[:1] == like.shape[:1]
    return tensor.reshape(like.shape) if same and like is not None else tensor


def _modules(keys: Iterable[str]) -> dict[str, list[str]]:
    """The modules that own tensors, in order, and the names of these."""
    found: dict[str, list[str]] = {}
    for key in keys:
        module, _, leaf = key.rpartition(".")
        found.setdefault(module, []).append(leaf)
    return found


def _natural(key: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10, a module's own tensors before those of the modules in it, and the classifier last."""
    *modules, leaf = key.replace("classifier.", "head.").split(".")
    return [(1, int(part), "") if part.isdigit() else (2, 0, part) for part in modules] + [(0, 0, leaf)]
