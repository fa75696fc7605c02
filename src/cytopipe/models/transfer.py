"""Start a network from another network of the project: transfer learning between stages.

`pretrained: models/classifiers/<name>` (or `models/segmenters/<name>`) makes the model folder that another stage trains
a dependency, so both engines train that network first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.heads import head_of
from cytopipe.models.pretrained import Normalisation, adapt_stem, check_fit, load_pretrained, shape

log = logging.getLogger(__name__)


def load_first_weights(model: nn.Module, source: Path, *, normalisation: Normalisation | None = None) -> Normalisation:
    """Load what `pretrained` of params.yaml names into a new network, in place.

    Args:
        model: the new network.
        source: a model folder of the project, or a source of `load_pretrained`.
        normalisation: normalisation to use instead of that of the weights.

    Returns:
        The normalisation of the three colour channels to use with the weights.

    Raises:
        CytopipeError: as for `load_pretrained`; or the folder is damaged, holds a cross-validation, or its weights do
            not fit (the message names the first key).
    """
    if not source.is_dir():
        return load_pretrained(model, source, normalisation=normalisation)
    if Folds.read(source):
        raise CytopipeError(
            "holds a network for each fold, and none of them is the one to start from",
            where=source,
            hint="start from a classifier without folds",
        )
    donor, spec = load_model(source)
    transfer(donor, model, source)
    mean, std = ((values[0], values[1], values[2]) for values in (spec.mean, spec.std))
    return normalisation or Normalisation(mean, std)


def transfer(donor: nn.Module, model: nn.Module, where: str | Path) -> None:
    """Copy weights from a trained network into a new one, in place.

    Between networks of one class everything is copied but a head of another size. Otherwise the timm models inside the
    two are matched, and a part that only one of them has, such as a head, is left as it is. A stem that saw RGB is
    adapted to other input channels.

    Args:
        donor: the trained network.
        model: the new network.
        where: the donor's place, for messages.

    Raises:
        CytopipeError: the two have different backbones, or a weight is of another shape; `model` is then unchanged.
    """
    same = type(donor) is type(model)
    giving, taking = (donor, model) if same else _backbones(donor, model, where)
    source, target = giving.state_dict(), taking.state_dict()
    shared = source.keys() | target.keys() if same else _shared(source, target)
    # A feature encoder flattens the containers of the timm model: stages.0.x is stages_0.x there.
    given = {_dotted(key): tensor for key, tensor in source.items() if key in shared}
    names = {_dotted(key): key for key in target if key in shared}
    wanted = {key: target[name] for key, name in names.items()}
    for key in {**given, **wanted}:
        if _is_head(key, taking) and shape(given.get(key)) != shape(wanted.get(key)):
            given.pop(key, None)
            wanted.pop(key, None)
            log.info("%s: the head's %s is left as it is", where, key)
        elif key in given and key in wanted:
            given[key] = adapt_stem(given[key], wanted[key])
    check_fit(given, wanted, where)
    taking.load_state_dict({names[key]: tensor for key, tensor in given.items()}, strict=False)


def _backbones(donor: nn.Module, model: nn.Module, where: str | Path) -> tuple[nn.Module, nn.Module]:
    """The timm models inside two networks, which must be the same model of timm."""
    found: list[Any] = [getattr(network, "timm_backbone", network) for network in (donor, model)]
    kinds = [getattr(backbone, "pretrained_cfg", {}).get("architecture") for backbone in found]
    if None in kinds or kinds[0] != kinds[1]:
        given, wanted = (kind or type(backbone).__name__ for kind, backbone in zip(kinds, found, strict=True))
        raise CytopipeError(
            f"its network is built on {given}, the new one on {wanted}",
            where=where,
            hint="start from a network of the same architecture or with the same timm backbone",
        )
    return found[0], found[1]


def _is_head(key: str, network: nn.Module) -> bool:
    """Whether a key belongs to the head of a classifier."""
    if not hasattr(network, "classifier_head") and not hasattr(network, "get_classifier"):
        return False
    return key.startswith(f"{_dotted(head_of(network)[0])}.")


def _dotted(key: str) -> str:
    return key.replace("_", ".")


def _shared(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> set[str]:
    """Keys of both states whose top-level module is in both networks, with or without flattened containers."""
    found = set[str]()
    for state, against in ((one, other), (other, one)):
        known = [_dotted(key) for key in against]
        modules = {key.partition(".")[0] for key in state}
        built = {name for name in modules if any(key.startswith(f"{_dotted(name)}.") for key in known)}
        found |= {key for key in state if key.partition(".")[0] in built}
    return found
