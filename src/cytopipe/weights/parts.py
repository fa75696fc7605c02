"""Which part of a checkpoint is a network: containers and prefixes before its keys.

A checkpoint may hold a teacher and a student, weights and their moving average, or a backbone beside the heads
of a detector. Each part is known by the key of a stem, the first layer of a network, whatever stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from cytopipe.errors import CytopipeError

State = dict[str, Tensor]

STEMS = (
    "conv1.weight",  # ResNet, of torchvision and timm
    "4.0.conv1.weight",  # the same, as a sequence of its layers
    "features.conv0.weight",  # DenseNet
    "features.0.weight",  # VGG, AlexNet
    "features.0.0.weight",  # MobileNetV2, EfficientNet and ConvNeXt of torchvision
    "conv_stem.weight",  # the same of timm
    "_conv_stem.weight",  # efficientnet_pytorch
    "patch_embed.proj.weight",  # vision transformers: timm, DINO, MAE
    "conv_proj.weight",  # those of torchvision
    "stem.0.weight",
    "stem.conv.weight",
    "stem.conv1.conv.weight",
    "downsample_layers.0.0.weight",  # ConvNeXt as published
)
_FIRST = ("ema", "teacher")  # an average of the weights is what gets published and tested
_LAST = ("student", "momentum", "target", "encoder_k", "key_encoder", "discriminator")
# Parts that were trained without labels: what stands where the head would be is no classifier.
_UNLABELLED = ("teacher", "student", "momentum", "target", "encoder_k", "encoder_q", "online", "key_encoder")


class Part(NamedTuple):
    """A part of a checkpoint: what stands before its keys, and its tensors by the rest of their keys."""

    prefix: str
    state: State

    @property
    def labelled(self) -> bool:
        """Whether its head, if any, may be a classifier."""
        return not any(word in self.prefix for word in _UNLABELLED)


def find_parts(tensors: State, stems: Iterable[str] = STEMS) -> list[Part]:
    """The networks in a checkpoint, the one to take first.

    Args:
        tensors: by dotted keys, as `read_checkpoint` gives them.
        stems: keys by which a network is known.
    """
    tensors = {key.replace("_orig_mod.", ""): tensor for key, tensor in tensors.items()}  # of torch.compile
    found = {key[: -len(stem)] for key in tensors for stem in stems if f".{key}".endswith(f".{stem}")}
    outermost = sorted(
        (prefix for prefix in found if not any(prefix != other and prefix.startswith(other) for other in found)),
        key=lambda prefix: (_rank(prefix), len(prefix), prefix),
    )
    return [Part(prefix, _below(tensors, prefix)) for prefix in outermost]


def choose(parts: list[Part], wanted: str | None, where: str) -> Part:
    """The first part, or the one whose prefix has the words that the user gave.

    Raises:
        CytopipeError: there is none.
    """
    if not parts:
        raise CytopipeError(
            "holds no network whose first layer has a known name",
            where=where,
            hint="name the network whose keys it has: --architecture timm/NAME",
        )
    chosen = next((part for part in parts if wanted is None or wanted in part.prefix), None)
    if chosen is None:
        raise CytopipeError(
            f"has no part '{wanted}'",
            where=where,
            hint=f"its parts: {', '.join(part.prefix.rstrip('.') or '(all)' for part in parts)}",
        )
    return chosen


def _rank(prefix: str) -> int:
    if any(word in prefix for word in _LAST):
        return 2
    return 0 if any(word in prefix for word in _FIRST) else 1


def _below(tensors: State, prefix: str) -> State:
    return {key[len(prefix) :]: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
