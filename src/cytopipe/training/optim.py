"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from cytopipe.core.params import Training


def make_optimizer(parameters: Iterable[torch.nn.Parameter], recipe: Training) -> torch.optim.Optimizer:
    """The optimiser of a recipe, for the trainable parameters."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, momentum=recipe.momentum)


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
        main: LRScheduler = CosineAnnealingLR(
            optimizer, T_max=recipe.epochs - warmup, eta_min=recipe.learning_rate / 100
        )
    else:
        main = LambdaLR(optimizer, _constant)
    if not warmup:
        return main
    rising = LinearLR(optimizer, start_factor=0.1, total_iters=warmup)
    return SequentialLR(optimizer, [rising, main], milestones=[warmup])


def _constant(epoch: int) -> float:
    return 1.0
