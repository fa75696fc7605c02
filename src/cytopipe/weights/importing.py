"""Convert a checkpoint to a safetensors file of the project, which `pretrained` can name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import torch as safetensors
from torch import Tensor

from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.params import HUB_WEIGHTS, PACKAGE_WEIGHTS, RANDOM_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.models.checkpoints import read_checkpoint
from cytopipe.models.origin import KEY, Origin
from cytopipe.models.pretrained import IMAGENET, Normalisation, read_tensors
from cytopipe.weights.fitting import Fitted, fit, guess, network
from cytopipe.weights.naming import is_torchvision
from cytopipe.weights.parts import STEMS, Part, State, choose, find_parts

FOLDER = RANDOM_WEIGHTS.parent
SUFFIX = ".safetensors"
NORMALISATIONS = {
    "imagenet": IMAGENET,
    "half": Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Request(NamedTuple):
    """What a user may say about a checkpoint.

    Attributes:
        architecture: `timm/NAME`; None: the one among the candidates that it fits.
        part: words in the prefix of the part to take; None: the first of `find_parts`.
        keep_head: keep the head, if it is a classifier of that network.
        input_size: side of the images, pixels, to which positions are resized; None: the network's own.
        normalisation: one of NORMALISATIONS; None: what is usual for such a checkpoint.
    """

    architecture: str | None = None
    part: str | None = None
    keep_head: bool = True
    input_size: int | None = None
    normalisation: str | None = None


AS_USUAL = Request()


class Imported(NamedTuple):
    """The file that was written, what it holds, keys that were dropped, and prefixes of other parts."""

    file: Path
    origin: Origin
    dropped: tuple[str, ...]
    others: tuple[str, ...]


def import_checkpoint(
    root: Path, source: Path, name: str, request: Request = AS_USUAL, *, force: bool = False
) -> Imported:
    """Write `workflow/weights/NAME.safetensors`: float32, by timm's keys, with its origin as metadata.

    Args:
        root: root of the project.
        source: checkpoint: what torch.save wrote (.pth, .pt, .bin, .ckpt, .tar), or safetensors.
        name: name of the new file.
        request: what is known about the checkpoint.
        force: replace a file of this name that holds other weights.

    Raises:
        CytopipeError: the checkpoint cannot be read, holds more than tensors, fits no network or several, has values
            that are not finite, or the name is taken or no name.
    """
    file = _target(root, name)
    tensors = _read(source)
    where = source.name
    stems = STEMS if request.architecture is None else (*STEMS, *_first_layers(request.architecture))
    parts = find_parts(tensors, stems)
    part = choose(parts, request.part, where)
    head, size = request.keep_head, request.input_size
    if request.architecture is None:
        fitted = guess(part, where, keep_head=head, input_size=size)
    else:
        fitted = fit(part, request.architecture, where, keep_head=head, input_size=size)
    state = {key: _plain(key, tensor, where) for key, tensor in fitted.state.items()}
    normalisation = _normalisation(request.normalisation, part, fitted)
    origin = Origin(
        architecture=fitted.architecture,
        in_channels=fitted.in_channels,
        classes=fitted.classes,
        mean=normalisation.mean,
        std=normalisation.std,
        source=where,
        source_sha256=sha256_file(source),
        part=part.prefix,
    )
    data = safetensors.save(state, metadata={KEY: origin.model_dump_json()})
    if file.exists() and file.read_bytes() != data and not force:
        raise CytopipeError("holds other weights", where=file, hint="choose another name, or add --force")
    write_bytes(file, data)
    others = tuple(one.prefix.rstrip(".") for one in parts if one is not part)
    return Imported(file, origin, fitted.dropped, others)


def _target(root: Path, name: str) -> Path:
    stem = name.removesuffix(SUFFIX)
    reserved = {path.name for path in (RANDOM_WEIGHTS, HUB_WEIGHTS, PACKAGE_WEIGHTS)}
    if not _NAME.fullmatch(stem) or stem in reserved:
        raise CytopipeError(
            f"'{name}' cannot be the name of weights",
            where="--as",
            hint="take letters, digits, '-', '_' and '.', and none of " + ", ".join(sorted(reserved)),
        )
    if not (root / FOLDER).is_dir():
        raise CytopipeError("there is no such folder", where=FOLDER, hint="run this in the project's root")
    return root / FOLDER / f"{stem}{SUFFIX}"


def _read(source: Path) -> State:
    if source.suffix == SUFFIX:
        return read_tensors(source)
    try:
        with source.open("rb") as file:
            return read_checkpoint(file, source.name)
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=source, hint="check the path") from None


def _first_layers(architecture: str) -> tuple[str, ...]:
    """The key of the first layer of a network, which STEMS may lack."""
    return tuple(key for key in network(architecture)[0].state_dict() if key.endswith("weight"))[:1]


def _plain(key: str, tensor: Tensor, where: str) -> Tensor:
    """A tensor in float32, or in int64 if it counts something; contiguous, without others' memory."""
    if tensor.is_complex() or tensor.is_quantized:
        raise CytopipeError(f"{key} is of type {tensor.dtype}", where=where, hint="get the weights in float32")
    plain = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)
    if not torch.isfinite(plain).all():
        raise CytopipeError(
            f"{key} has values that are not finite", where=where, hint="its training failed: take another checkpoint"
        )
    return plain.clone(memory_format=torch.contiguous_format)


def _normalisation(wanted: str | None, part: Part, fitted: Fitted) -> Normalisation:
    """The one that was asked for, or what is usual: ImageNet's for torchvision and for transformers without a head.

    timm's own configuration of vision transformers belongs to weights with a head; DINO, MAE and their like were
    trained with ImageNet's mean and standard deviation.
    """
    if wanted is not None:
        return NORMALISATIONS[wanted]
    transformer = "patch_embed.proj.weight" in fitted.state and "cls_token" in fitted.state
    headless = fitted.classes is None and not any(key.startswith("head.") for key in part.state)
    if is_torchvision(part.state) or (transformer and (headless or not part.labelled)):
        return IMAGENET
    return Normalisation(fitted.mean, fitted.std)
