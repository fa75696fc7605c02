"""The blocks of a network's backbone, in the order in which images pass them: from the stem to the head."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.heads import head_of
from cytopipe.models.pretrained import is_encoder


def layers_of(model: nn.Module) -> dict[str, int]:
    """The layer of every parameter: 0 for the stem, 1, 2, ... for the blocks of the backbone, the last for the head.

    Blocks are those of timm (`group_matcher`), as fine as it divides them; a norm after the last block belongs to it.
    What is built on the backbone (a decoder, attention) is part of the last layer.

    Args:
        model: a timm model, or a network whose `timm_backbone` is a timm model or one of its feature encoders; it may
            have low-rank changes.

    Raises:
        CytopipeError: there is no timm backbone, or timm does not divide it into blocks.
    """
    backbone: Any = getattr(model, "timm_backbone", model)
    encoder = is_encoder(backbone)
    grouped = _encoder_layers(backbone) if encoder else _grouped(backbone, model)
    last = max(grouped.values()) + encoder
    prefix = backbone_prefix(model)
    inside = {f"{prefix}{name}": layer for name, layer in grouped.items()}
    ends = head_names(model)
    found = {name: last if name in ends else inside.get(name, last) for name, _ in model.named_parameters()}
    order = {layer: number for number, layer in enumerate(sorted(set(found.values())))}
    if len(order) < 2:
        raise CytopipeError("is not divided into blocks", where=type(model).__name__, hint=HINT)
    return {name: order[layer] for name, layer in found.items()}


HINT = "use a timm model, or a network of cytopipe that is built on one (cytopipe models); or leave this key out"


def backbone_prefix(model: nn.Module) -> str:
    """What the names of the backbone's parameters begin with, such as "backbone."; "" if the backbone is the model."""
    backbone = getattr(model, "timm_backbone", model)
    name = next(name for name, part in model.named_modules() if part is backbone)
    return f"{name}." if name else ""


def own_head(model: nn.Module) -> tuple[str, nn.Module] | None:
    """As `head_of`, for a classifier; None for a segmenter, whose last linear layer is no head."""
    return head_of(model) if hasattr(model, "classifier_head") or hasattr(model, "get_classifier") else None


def head_names(model: nn.Module) -> set[str]:
    """Names of the parameters of a classifier's head; none for a segmenter."""
    head = own_head(model)
    return {name for name, _ in model.named_parameters() if head and name.startswith(f"{head[0]}.")}


def _grouped(backbone: Any, model: nn.Module) -> dict[str, int]:
    """Layers of a whole timm model, by the names of its parameters."""
    from cytopipe.models.without_compiler import timm

    if not hasattr(backbone, "group_matcher"):
        raise CytopipeError(f"{type(model).__name__} has no backbone of timm, whose blocks are known", hint=HINT)
    layers: dict[str, int] = timm.models.group_parameters(backbone, backbone.group_matcher(coarse=False), reverse=True)
    return layers


def _encoder_layers(encoder: Any) -> dict[str, int]:
    """Layers of a timm feature encoder, which has flattened names (stages_0.x) and no matcher of its own.

    The names are matched to those of the whole model, which is built without memory for its weights. Blocks after the
    last feature map, which change no output, count as part of the block that gives it.
    """
    from cytopipe.models.without_compiler import timm

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        whole = timm.create_model(encoder.pretrained_cfg["architecture"], pretrained=False)
    layers = {_dotted(name): layer for name, layer in _grouped(whole, encoder).items()}
    getter = isinstance(getattr(encoder, "model", None), nn.Module)  # FeatureGetterNet keeps the model whole
    names = [name for name, _ in encoder.named_parameters()]
    plain = {name: _dotted(_plain(name.removeprefix("model.") if getter else name)) for name in names}
    ends = tuple(f"{_dotted(module)}." for module in encoder.feature_info.module_name())
    given = [layers[one] for one in plain.values() if one in layers and one.startswith(ends)]
    deepest = max(given or (layers[one] for one in plain.values() if one in layers))
    return {name: min(layers.get(one, deepest), deepest) for name, one in plain.items()}


def _plain(name: str) -> str:
    """The name of a parameter without low-rank changes: x.parametrizations.weight.original is x.weight."""
    layer, changed, rest = name.partition(".parametrizations.")
    return f"{layer}.{rest.partition('.')[0]}" if changed else name


def _dotted(name: str) -> str:
    return name.replace("_", ".")
