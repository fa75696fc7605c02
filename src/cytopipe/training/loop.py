"""The training loop shared by all networks; read it from top to bottom."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import nn

from cytopipe.core.params import Training
from cytopipe.core.pipeline.epochs import DataClock, TimedEpoch
from cytopipe.models.determinism import autocast, choose_precision, seed_epoch
from cytopipe.models.heads import train_mode
from cytopipe.results.model_spec import Precision
from cytopipe.training.average import Average, applied
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.feeding import Feeder
from cytopipe.training.fine_tuning import trained_parameters
from cytopipe.training.optim import Schedule, gradient_norm, make_optimizer, take_step
from cytopipe.training.tally import Tally, not_finite

logger = logging.getLogger("cytopipe")
Epoch = dict[str, float]  # epoch, learning_rate, train_*, val_*, best (0 or 1)


class Objective(Protocol):
    """What a training minimises."""

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a training batch, and other measures (means over the batch): scalars on the device of the loss.

        Nothing is read back from the device, so that the host can prepare the next step during this one.
        """


class Task(Objective, Protocol):
    """The objective of a training, and the validation measures that rank its epochs."""

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

    With `ema` these are averaged weights: the average is validated, so the best epoch is its.

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
        CytopipeError: a loss or a gradient was not finite; neither that step nor a later one was taken. The device
            finds this at once, and the host at the end of the epoch.
    """
    feed, clock = Feeder(recipe, device), DataClock()
    optimizer = make_optimizer(trained_parameters(model, recipe), recipe)
    schedule = Schedule(optimizer, recipe)
    average = Average(model, recipe.ema) if recipe.ema else None
    history: list[Epoch] = []
    best: dict[str, torch.Tensor] = {}
    best_rank: tuple[float, ...] = ()
    best_epoch = -1
    if (state := checkpoint.load()) is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        if average is not None:
            average.load_state_dict(state["average"])
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
        learning_rate = max(group["lr"] for group in optimizer.param_groups)  # the head's, with layer_decay
        batches = clock.timed(feed(loader.epoch(epoch)))
        trained = train_epoch(model, task, batches, optimizer, recipe, precision, Tally(epoch + 1, device), average)
        waited = clock.share
        with applied(average, model):
            validated = _validate(model, task, precision, device)
            if not math.isfinite(validated["loss"]):
                raise not_finite("validation loss", validated["loss"], f"epoch {epoch + 1}")
            rank = task.rank({"epoch": epoch + 1, **validated})
            if better := not best_rank or rank > best_rank:
                best_rank, best_epoch = rank, epoch
                best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        schedule.step(validated["loss"])
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
                "average": average.state_dict() if average is not None else None,
            }
        )
        on_epoch(TimedEpoch(history[-1], waited))
    model.load_state_dict(best)
    model.eval()
    return _mark_best(history, best_epoch), precision


def train_epoch(
    model: nn.Module,
    task: Objective,
    batches: Iterator[Batch],
    optimizer: torch.optim.Optimizer,
    recipe: Training,
    precision: Precision,
    tally: Tally,
    average: Average | None = None,
) -> dict[str, float]:
    """Take the steps of an epoch, and return its measures; the host waits for the device at the end only.

    Args:
        model: network, which is set to training mode.
        task: the loss.
        batches: batches on the device.
        optimizer: a fused optimiser.
        recipe: supplies `gradient_clip`.
        precision: of the forward passes.
        tally: an empty one.
        average: takes in the weights after every step; None for no average.

    Raises:
        CytopipeError: a loss or a gradient was not finite.
    """
    train_mode(model)
    for batch in batches:
        with autocast(batch.items.device, precision):
            loss, measures = task.step(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = gradient_norm(optimizer)
        # A single NaN would make every weight NaN.
        take_step(optimizer, norm, recipe.gradient_clip, skip=tally.check(loss, norm))
        if average is not None:
            average.update(model)
        tally.add({"loss": loss, **measures}, batch.images)
    return tally.read()


def _validate(model: nn.Module, task: Task, precision: Precision, device: torch.device) -> dict[str, float]:
    model.eval()
    with torch.inference_mode(), autocast(device, precision):
        return task.validate()


def _mark_best(history: list[Epoch], best_epoch: int) -> list[dict[str, Any]]:
    return [{**measures, "best": float(index == best_epoch)} for index, measures in enumerate(history)]
