"""Load pretrained weights from timm's hub, a package or a safetensors file into a model or its backbone.

All sources are treated alike: the state dict of the plain timm model (torchvision's, for AlexNet) is renamed to the
keys of the backbone, the stem is adapted to the number of input channels, a head of another size is skipped, and
everything else must fit.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn

from cytopipe.core.params import HUB_WEIGHTS, PACKAGE_WEIGHTS, RANDOM_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.models import packages
from cytopipe.models.origin import read_origin

log = logging.getLogger(__name__)

State = dict[str, Tensor]


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel, on the 0-1 scale: an input x is (uint8 / 255 - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_pretrained(model: nn.Module, source: Path, *, normalisation: Normalisation | None = None) -> Normalisation:
    """Load pretrained weights in place.

    Args:
        model: a timm model, a timm feature encoder, or a model whose `timm_backbone` is one.
        source: `pretrained` of params.yaml: RANDOM_WEIGHTS (keep the random weights), HUB_WEIGHTS (timm's hub),
            PACKAGE_WEIGHTS (an installed package) or a .safetensors file with the keys of the plain timm model.
        normalisation: normalisation with which the weights were trained. The default is what an imported file says of
            itself, and otherwise timm's configuration of the architecture, which need not be right for a local file.

    Returns:
        The normalisation of the three colour channels to use with the weights.

    Raises:
        CytopipeError: the file cannot be read, the weights do not fit (the message names the first key), the hub cannot
            be reached, no installed package has the weights, or the model has no timm backbone.
    """
    backbone: Any = getattr(model, "timm_backbone", model)
    config: dict[str, Any] = getattr(backbone, "pretrained_cfg", {})
    if source != RANDOM_WEIGHTS:
        if not config:
            raise CytopipeError(
                f"{type(model).__name__} has no timm backbone to load pretrained weights into",
                hint=f"set pretrained: {RANDOM_WEIGHTS}",
            )
        state, where, stored = _first_state(source, config)
        _transfer(state, backbone, config, where)
        normalisation = normalisation or stored
    return normalisation or Normalisation(
        tuple(config.get("mean", (0.0, 0.0, 0.0))), tuple(config.get("std", (1.0, 1.0, 1.0)))
    )


def _first_state(source: Path, config: dict[str, Any]) -> tuple[State, str, Normalisation | None]:
    """The weights of a source, its name, and the normalisation that is known of it."""
    if source == HUB_WEIGHTS:
        return *_hub_state(config), None
    if source == PACKAGE_WEIGHTS:
        state, where = _package_state(config)
        return state, where, Normalisation(packages.MEAN, packages.STD)
    state = read_tensors(source)
    origin = read_origin(source)
    return state, str(source), Normalisation(origin.mean, origin.std) if origin else None


def _package_state(config: dict[str, Any]) -> tuple[State, str]:
    from cytopipe.models.without_compiler import timm

    name = config["architecture"]
    keys: list[str] = []
    if name in packages.WHEELS:
        with torch.device("meta"):
            keys = list(timm.create_model(name).state_dict())
    return packages.package_state(name, keys), f"{packages.WHEELS[name].name} {packages.WHEELS[name].version}"


def read_tensors(source: Path, data: bytes | None = None) -> State:
    """Read the tensors of a safetensors file; a pickle with this suffix is never unpickled.

    Args:
        source: path of the file.
        data: its contents, if they were already read (and verified).

    Raises:
        CytopipeError: the file is missing, has another suffix, is truncated, or is not in the safetensors format.
    """
    if source.suffix != ".safetensors":
        raise CytopipeError("is not a .safetensors file", where=source, hint="no other format is loaded")
    try:
        data = source.read_bytes() if data is None else data
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=source, hint="check the path") from None
    try:
        return safetensors.load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: a number format that torch does not have
        # A zip (torch.save) or a pickle; checked only now, because a valid file can begin with these bytes too.
        if data.startswith((b"PK", b"\x80")):
            raise CytopipeError(
                "holds a pickle, not safetensors; it is not loaded, because a pickle can run any program",
                where=source,
                hint="get the weights as safetensors",
            ) from None
        raise CytopipeError(f"is truncated or damaged ({error})", where=source, hint="get the file again") from None


def check_fit(tensors: Mapping[str, Tensor], model: Mapping[str, Tensor], where: str | Path) -> None:
    """Raise CytopipeError for the first key, in the model's order, that is missing, unexpected or of another shape."""
    for key in [*model, *(key for key in tensors if key not in model)]:
        found, wanted = shape(tensors.get(key)), shape(model.get(key))
        if found != wanted:
            raise CytopipeError(
                f"{key} is {found} in the file and {wanted} in the model",
                where=where,
                hint="these weights belong to another architecture or other arguments",
            )


def shape(tensor: Tensor | None) -> str:
    """The shape of a tensor for messages; a missing one is "absent"."""
    return "absent" if tensor is None else str(tuple(tensor.shape))


def _hub_state(config: dict[str, Any]) -> tuple[State, str]:
    from cytopipe.models.without_compiler import timm, torchvision

    name = ".".join(part for part in (config["architecture"], config.get("tag")) if part)
    try:
        if config.get("library") == "torchvision":
            weights = torchvision.models.get_model_weights(name)["DEFAULT"]
            return dict(weights.get_state_dict(weights_only=True, check_hash=True, progress=False)), name
        with torch.random.fork_rng(devices=[]):
            return timm.create_model(name, pretrained=True).state_dict(), name
    except Exception as error:  # the hub's client raises errors of its transport, without a common type
        raise CytopipeError(
            f"the hub's weights could not be fetched ({error})",
            where=name,
            hint=f"check the connection, or set pretrained: to a local .safetensors file or to {RANDOM_WEIGHTS}",
        ) from error


def is_encoder(backbone: nn.Module) -> bool:
    """Whether a network of timm is a feature encoder, which gives feature maps and has no head."""
    from cytopipe.models.without_compiler import timm

    return isinstance(getattr(backbone, "feature_info", None), timm.models.FeatureInfo)


def _transfer(state: State, backbone: Any, config: dict[str, Any], where: str) -> None:
    # A feature encoder has no head, so keys of parts that it never built are ignored.
    encoder = is_encoder(backbone)
    # timm's FeatureGetterNet keeps the model whole, as a child of this name.
    inner = getattr(backbone, "model", backbone) if encoder else backbone
    target: State = inner.state_dict()
    built = {key.partition(".")[0] for key in target}
    state = {_rename(key, built): tensor for key, tensor in state.items()}
    if encoder:
        state = {key: tensor for key, tensor in state.items() if key.partition(".")[0] in built}
    for stem in _names(config.get("first_conv")):
        key = _rename(f"{stem}.weight", built)
        if key in state and key in target:
            state[key] = adapt_stem(state[key], target[key])
    state = _adapt_positions(state, inner, target)

    heads = tuple(f"{head}." for head in _names(config.get("classifier")))
    untouched = [
        key for key in {**state, **target} if key.startswith(heads) and shape(state.get(key)) != shape(target.get(key))
    ]
    for key in untouched:
        log.info(
            "%s: the head %s is left as it is (%s in the file, %s in the model)",
            *(where, key, shape(state.pop(key, None)), shape(target.pop(key, None))),
        )
    check_fit(state, target, where)
    inner.load_state_dict(state, strict=False)


def _adapt_positions(state: State, model: nn.Module, target: State) -> State:
    """The state with positions (of a transformer built for another image size) interpolated, as timm itself does."""
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    moved = any(
        key in target and tensor.shape != target[key].shape and re.search("pos|relative|attention_bias", key)
        for key, tensor in state.items()
    )
    return dict(adapt(state, model)) if moved and adapt is not None else state


def _names(value: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _rename(key: str, built: set[str]) -> str:
    """Key in a timm feature encoder, which flattens the first level of containers: stages.0.x becomes stages_0.x."""
    first, _, rest = key.partition(".")
    return f"{first}_{rest}" if f"{first}_{rest.partition('.')[0]}" in built else key


def adapt_stem(stem: Tensor, like: Tensor) -> Tensor:
    """Adapt an RGB stem to the input channels of another one; a tensor that is not an RGB stem is unchanged."""
    if stem.ndim != 4 or stem.shape[1] != 3 or like.ndim != 4 or like.shape[1] == 3:
        return stem
    from cytopipe.models.without_compiler import timm

    return timm.models.adapt_input_conv(like.shape[1], stem)
