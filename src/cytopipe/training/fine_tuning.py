"""Which weights of a network a training changes (`fine_tune`), and how fast each does (`layer_decay`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch import nn

from cytopipe.core.params import LastBlocks, Lora, Training
from cytopipe.errors import CytopipeError
from cytopipe.models.blocks import HINT, backbone_prefix, head_names, layers_of, own_head
from cytopipe.models.determinism import seed_epoch
from cytopipe.models.lora import add_low_rank, merge_low_rank
from cytopipe.models.registry import count_parameters

logger = logging.getLogger("cytopipe")
DRAW = 2**31  # in place of an epoch's number, for the first values of low-rank changes


def prepare_fine_tuning(model: nn.Module, recipe: Training) -> None:
    """Freeze the weights that the recipe leaves alone, or give them low-rank changes.

    Args:
        model: classifier or segmenter with its first weights, changed in place.
        recipe: supplies `fine_tune`, `layer_decay` and the seed.

    Raises:
        CytopipeError: the network has no known blocks, or fewer than are asked for; or its backbone is frozen.
    """
    chosen = recipe.fine_tune
    if not isinstance(chosen, LastBlocks | Lora) and recipe.layer_decay == 1:
        return
    head = head_names(model)
    if not any(parameter.requires_grad for name, parameter in model.named_parameters() if name not in head):
        raise CytopipeError(
            "its backbone is frozen, so fine_tune and layer_decay have nothing to change",
            where=type(model).__name__,
            hint="leave them out, or choose another architecture",
        )
    if isinstance(chosen, LastBlocks):
        freeze_first_blocks(model, chosen.blocks)
    elif isinstance(chosen, Lora):
        seed_epoch(recipe.seed, DRAW)
        _add_changes(model, chosen)
    if recipe.layer_decay < 1:
        layers_of(model)  # raises here rather than after the first images are loaded
    logger.info("%d of %d weights are trained", count_parameters(model, trainable=True), count_parameters(model))


def finish_fine_tuning(model: nn.Module) -> None:
    """Make a plain network of a trained one: low-rank changes become part of its weights."""
    merge_low_rank(model)


def freeze_first_blocks(model: nn.Module, blocks: int) -> None:
    """Freeze the backbone but for its last blocks; the head stays trainable.

    Raises:
        CytopipeError: the backbone has no known blocks, or fewer.
    """
    layers = layers_of(model)
    last = max(layers.values())
    if blocks > last:
        raise CytopipeError(
            f"its backbone has {last} blocks, the stem included, and not {blocks}",
            where=f"{type(model).__name__}: training.fine_tune.blocks",
            hint=f"write {last} or fewer; kind: all trains every block",
        )
    for name, parameter in model.named_parameters():
        if layers[name] < last - blocks:
            parameter.requires_grad_(False)


def parameter_groups(model: nn.Module, recipe: Training) -> list[dict[str, Any]]:
    """Trainable parameters in groups for an optimiser, each with the learning rate of its layer.

    The head has the recipe's rate, the last block that times `layer_decay`, the one before times its square, and so on.
    Biases, norms and what timm excludes (position embeddings) have no weight decay. Frozen parameters are in no group.
    Bao et al. 2022, "BEiT", arXiv:2106.08254, as timm's `param_groups_layer_decay` does.

    Raises:
        CytopipeError: the backbone has no known blocks.
    """
    layers = layers_of(model)
    last, bare = max(layers.values()), _without_decay(model)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer, decays = layers[name], parameter.ndim > 1 and name not in bare
        rate = recipe.learning_rate * recipe.layer_decay ** (last - layer)
        new = {"params": [], "lr": rate, "weight_decay": recipe.weight_decay if decays else 0.0}
        groups.setdefault((layer, decays), new)["params"].append(parameter)
    return list(groups.values())


def trained_parameters(model: nn.Module, recipe: Training) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
    """What the optimiser of a recipe takes: the parameters of a network, or groups of them with `layer_decay`."""
    return model.parameters() if recipe.layer_decay == 1 else parameter_groups(model, recipe)


def _add_changes(model: nn.Module, chosen: Lora) -> None:
    """Low-rank changes in the backbone: all but the head, and but what is built on a backbone of timm."""
    backbone = getattr(model, "timm_backbone", model)
    head = own_head(model)
    if head is None and backbone is model:
        raise CytopipeError(f"{type(model).__name__} has no backbone of timm, which lora changes", hint=HINT)
    if not add_low_rank(backbone, chosen.rank, chosen.alpha, head[1] if head else None):
        raise CytopipeError(
            f"no weight of its backbone is larger than a change of rank {chosen.rank}",
            where=f"{type(model).__name__}: training.fine_tune.rank",
            hint="choose a smaller rank",
        )


def _without_decay(model: nn.Module) -> set[str]:
    """Names of the parameters that timm excludes from weight decay."""
    backbone: Any = getattr(model, "timm_backbone", model)
    excluded = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()
    return {f"{backbone_prefix(model)}{name}" for name in excluded}
