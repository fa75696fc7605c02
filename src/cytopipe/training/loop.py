"""The training loop shared by all networks; read it from top to bottom."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from cytopipe.core.params import Training
from cytopipe.errors import CytopipeError
from cytopipe.models.determinism import autocast, choose_precision, seed_epoch
from cytopipe.models.heads import train_mode
from cytopipe.results.model_spec import Precision
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.optim import Schedule, make_optimizer

logger = logging.getLogger("cytopipe")
Epoch = dict[str, float]  # epoch, learning_rate, train_*, val_*, best (0 or 1)


class Task(Protocol):
    """The objective of a training: its loss, and the validation measures that rank epochs."""

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss of a training batch (scalar tensor), and other measures (means over the batch)."""

    def validate(self) -> dict[str, float]:
        """Measures on the validation images, including `loss`."""

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """Sort key of an epoch, from its number (`epoch`) and validation measures; the largest key is the best."""


def fit(
    model: nn.Module,
    task: Task,
    loader: TrainingLoader,
    recipe: Training,
    device: torch.device,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Epoch], None],
) -> tuple[list[Epoch], Precision]:
    """Train `model` in place; in the end it holds the weights of its best epoch and is in evaluation mode.

    Args:
        model: network on `device`, in channels-last memory format.
        task: loss and validation measures; only the validation measures choose the best epoch.
        loader: training batches.
        recipe: epochs, optimiser, schedule and the other parameters of the training.
        device: device of the model.
        checkpoint: training resumes from it if it exists; it is saved after every epoch.
        on_epoch: called after every epoch, and on a resume for the earlier epochs too.

    Returns:
        The history, one entry per epoch, and the precision that was used.

    Raises:
        CytopipeError: a loss or a gradient is not finite; no optimiser step is taken with it.
    """
    optimizer = make_optimizer(model.parameters(), recipe)
    schedule = Schedule(optimizer, recipe)
    history: list[Epoch] = []
    best: dict[str, torch.Tensor] = {}
    best_rank: tuple[float, ...] = ()
    best_epoch = -1
    if (state := checkpoint.load()) is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history, best, precision = state["history"], state["best"], state["precision"]
        best_rank, best_epoch = tuple(state["best_rank"]), state["best_epoch"]
        logger.info("resuming after epoch %d of %d", len(history), recipe.epochs)
        for measures in history:
            on_epoch(measures)
    else:
        precision = choose_precision(recipe.precision, device)

    for epoch in range(len(history), recipe.epochs):
        if recipe.early_stopping and epoch - best_epoch > recipe.early_stopping and best_epoch >= 0:
            logger.info("stopping early: no better validation since epoch %d", best_epoch + 1)
            break
        seed_epoch(recipe.seed, epoch)
        learning_rate = optimizer.param_groups[0]["lr"]
        trained = _train_epoch(model, task, loader, optimizer, recipe, precision, device, epoch)
        validated = _validate(model, task, precision, device)
        _require_finite(validated["loss"], "validation loss", f"epoch {epoch + 1}")
        schedule.step(validated["loss"])
        rank = task.rank({"epoch": epoch + 1, **validated})
        if better := not best_rank or rank > best_rank:
            best_rank, best_epoch = rank, epoch
            best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        history.append(
            {
                "epoch": epoch + 1,
                "learning_rate": learning_rate,
                **{f"train_{name}": value for name, value in trained.items()},
                **{f"val_{name}": value for name, value in validated.items()},
                "best": float(better),
            }
        )
        checkpoint.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "history": history,
                "best": best,
                "best_rank": list(best_rank),
                "best_epoch": best_epoch,
                "precision": precision,
            }
        )
        on_epoch(history[-1])
    model.load_state_dict(best)
    model.eval()
    return _mark_best(history, best_epoch), precision


def _train_epoch(
    model: nn.Module,
    task: Task,
    loader: TrainingLoader,
    optimizer: torch.optim.Optimizer,
    recipe: Training,
    precision: Precision,
    device: torch.device,
    epoch: int,
) -> dict[str, float]:
    train_mode(model)
    sums: dict[str, float] = defaultdict(float)
    seen = 0
    for number, batch in enumerate(loader.epoch(epoch)):
        with autocast(device, precision):
            loss, measures = task.step(batch)
        # Checked before the step, because a single NaN would make every weight NaN.
        value = loss.item()
        _require_finite(value, "loss", f"epoch {epoch + 1}, step {number + 1}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip or math.inf)
        _require_finite(norm.item(), "norm of the gradient", f"epoch {epoch + 1}, step {number + 1}")
        optimizer.step()
        count = len(batch[1])
        seen += count
        for name, measure in {"loss": value, **measures}.items():
            sums[name] += measure * count
    return {name: total / seen for name, total in sums.items()}


def _require_finite(value: float, what: str, where: str) -> None:
    if not math.isfinite(value):
        raise CytopipeError(
            f"the {what} is {value} in {where}",
            hint="lower learning_rate, set gradient_clip: 1.0 or precision: fp32",
        )


def _validate(model: nn.Module, task: Task, precision: Precision, device: torch.device) -> dict[str, float]:
    model.eval()
    with torch.inference_mode(), autocast(device, precision):
        return task.validate()


def _mark_best(history: list[Epoch], best_epoch: int) -> list[dict[str, Any]]:
    return [{**measures, "best": float(index == best_epoch)} for index, measures in enumerate(history)]
