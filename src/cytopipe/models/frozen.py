"""Frozen parts of a network: their weights get no gradient, and their batch statistics stay where they are."""

from __future__ import annotations

from torch import nn


def freeze(model: nn.Module, except_: nn.Module) -> None:
    """Leave only `except_`, a part of `model`, trainable."""
    model.requires_grad_(False)
    except_.requires_grad_(True)


def train_mode(model: nn.Module) -> None:
    """`model.train()`, but frozen parts stay in evaluation mode.

    Frozen is a module that has parameters, none of them trainable. Training mode would let the running statistics of
    its batch normalisation drift to those of the new images, although its weights no longer adapt to them, and would
    drop its units at random. A model with `statistics_drift = True` reproduces that published defect.
    """
    model.train()
    if getattr(model, "statistics_drift", False):
        return
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
