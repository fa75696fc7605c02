"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch.nn.utils import get_total_norm
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from cytopipe.core.params import Training


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter] | list[dict[str, Any]], recipe: Training
) -> torch.optim.Optimizer:
    """The optimiser of a recipe for the trainable parameters; a fused one, which can skip a step on its device.

    Groups of parameters, which may have learning rates and weight decays of their own, are taken as they are.
    """
    trained: list[Any] = [one for one in parameters if isinstance(one, dict) or one.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=rate, weight_decay=decay, fused=True)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(trained, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(trained, lr=rate, weight_decay=decay, momentum=recipe.momentum, fused=True)


def gradient_norm(optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Euclidean norm of all gradients together, a scalar on their device."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])


def take_step(optimizer: torch.optim.Optimizer, norm: torch.Tensor, clip: float, skip: torch.Tensor) -> None:
    """Take a step, or none, without reading anything back from the device.

    The fused optimisers accept what `torch.amp.GradScaler` gives them: `found_inf`, and a scale that gradients are
    divided by while they are used, so that clipping needs no pass of its own over them.

    Args:
        optimizer: a fused optimiser.
        norm: norm of the gradient, scalar.
        clip: gradients with a larger norm are scaled down to it; 0 for no clipping.
        skip: scalar float32; 1 leaves weights and state as they are.
    """
    optimizer.found_inf = skip  # type: ignore[attr-defined]
    optimizer.grad_scale = (norm / clip).clamp(min=1) if clip else None  # type: ignore[attr-defined]
    optimizer.step()


class Schedule:
    """The learning-rate schedule, stepped once per epoch; `plateau` follows the validation loss."""

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Training) -> None:
        self._scheduler = _scheduler(optimizer, recipe)

    def step(self, validation_loss: float) -> None:
        """Advance by one epoch; to be called after each epoch."""
        if isinstance(self._scheduler, ReduceLROnPlateau):
            self._scheduler.step(validation_loss)
        else:
            self._scheduler.step()

    def state_dict(self) -> dict[str, object]:
        """State to store in a checkpoint."""
        return self._scheduler.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore the state from a checkpoint."""
        self._scheduler.load_state_dict(state)


def _scheduler(optimizer: torch.optim.Optimizer, recipe: Training) -> LRScheduler:
    if recipe.scheduler == "plateau":
        plateau = recipe.plateau
        return ReduceLROnPlateau(
            optimizer, factor=plateau.factor, patience=plateau.patience, threshold=plateau.threshold
        )
    warmup = min(recipe.warmup_epochs, recipe.epochs - 1)
    if recipe.scheduler == "cosine":
        main: LRScheduler = _cosine(optimizer, recipe, recipe.epochs - warmup)
    else:
        main = LambdaLR(optimizer, _constant)
    if not warmup:
        return main
    rising = LinearLR(optimizer, start_factor=0.1, total_iters=warmup)
    return SequentialLR(optimizer, [rising, main], milestones=[warmup])


def _cosine(optimizer: torch.optim.Optimizer, recipe: Training, epochs: int) -> LRScheduler:
    """From each group's learning rate to a hundredth of it; torch's own class has one last rate for all groups."""
    if recipe.layer_decay == 1:
        return CosineAnnealingLR(optimizer, T_max=epochs, eta_min=recipe.learning_rate / 100)
    return LambdaLR(optimizer, partial(_cosine_factor, epochs=epochs))


def _cosine_factor(epoch: int, epochs: int) -> float:
    return 0.01 + 0.99 * (1 + math.cos(math.pi * epoch / epochs)) / 2


def _constant(epoch: int) -> float:
    return 1.0
