"""The rules of the training loop, tested with predefined validation measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Augmentation, Training
from cytopipe.data.augment import Augmenter
from cytopipe.errors import CytopipeError
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.loop import Epoch, fit
from fixture_types import Recipe

CPU = torch.device("cpu")


class Scripted:
    """A task with predefined validation measures; it records the weights at each validation."""

    def __init__(self, model: nn.Linear, ranks: Sequence[float], losses: Sequence[float] | None = None) -> None:
        self.model, self.ranks, self.losses = model, ranks, losses or [1.0] * len(ranks)
        self.seen: list[torch.Tensor] = []

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.model.weight.sum(), {"size": torch.tensor(float(len(batch[1])))}

    def validate(self) -> dict[str, float]:
        assert not self.model.training and torch.is_inference_mode_enabled()
        self.seen.append(self.model.weight.detach().clone())
        epoch = len(self.seen) - 1
        return {"loss": self.losses[epoch], "rank": self.ranks[epoch]}

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        return (measures["rank"],)


def loader(count: int = 8, batch_size: int = 4) -> TrainingLoader:
    return TrainingLoader(np.zeros((count, 4, 4, 5), np.uint8), Augmenter(Augmentation(), 0), batch_size, 0, 0)


def run(
    task: Scripted, recipe: Training, folder: Path, batches: TrainingLoader | None = None
) -> tuple[list[Epoch], list[Epoch]]:
    """Train, and return the history and the epochs that were reported one by one."""
    told: list[Epoch] = []
    history, _ = fit(task.model, task, batches or loader(), recipe, CPU, Checkpoint(folder), told.append)
    return history, told


@pytest.mark.parametrize(
    ("ranks", "best"),
    [([0.5, 0.9, 0.7, 0.8], 2), ([0.5, 0.9, 0.9, 0.9], 2), ([0.1, 0.2, 0.3, 0.4], 4), ([1, 0, 0, 0], 1)],
)
def test_the_first_best_validation_chooses_the_epoch_and_its_weights(
    recipe: Recipe, tmp_path: Path, ranks: list[float], best: int
) -> None:
    task = Scripted(nn.Linear(1, 1), ranks)
    history, _ = run(task, recipe(), tmp_path)
    assert [epoch["epoch"] for epoch in history if epoch["best"]] == [best]
    assert torch.equal(task.model.weight, task.seen[best - 1])
    assert not task.model.training
    assert history[3]["train_loss"] < history[0]["train_loss"]  # the training loss falls all the while


@pytest.mark.parametrize(
    ("patience", "epochs"),
    [(0, 8), (1, 3), (2, 4), (3, 8), (9, 8)],  # the best is epoch 2, then 5
)
def test_early_stopping_counts_epochs_without_improvement(
    recipe: Recipe, tmp_path: Path, patience: int, epochs: int
) -> None:
    task = Scripted(nn.Linear(1, 1), [0.5, 0.6, 0.6, 0.1, 0.7, 0.2, 0.2, 0.2])
    history, _ = run(task, recipe(epochs=8, early_stopping=patience), tmp_path)
    assert len(history) == epochs


def test_a_training_that_stopped_early_does_not_continue_when_resumed(recipe: Recipe, tmp_path: Path) -> None:
    stopped = recipe(epochs=8, early_stopping=1)
    first, _ = run(Scripted(nn.Linear(1, 1), [0.5, 0.4, 0.9, 0.9]), stopped, tmp_path)
    again = Scripted(nn.Linear(1, 1), [])
    history, told = run(again, stopped, tmp_path)
    assert len(first) == 2 and history == first == told
    assert again.seen == []


def test_the_best_epoch_before_a_resume_stays_the_best(recipe: Recipe, tmp_path: Path) -> None:
    first = Scripted(nn.Linear(1, 1), [0.5, 0.9, 0.7])
    run(first, recipe(epochs=3, scheduler="none"), tmp_path)
    again = Scripted(nn.Linear(1, 1), [0.8])
    history, told = run(again, recipe(epochs=4, scheduler="none"), tmp_path)
    assert [epoch["val_rank"] for epoch in history] == [0.5, 0.9, 0.7, 0.8]
    assert [epoch["best"] for epoch in history] == [0, 1, 0, 0]
    assert torch.equal(again.model.weight, first.seen[1])
    assert [epoch["epoch"] for epoch in told] == [1, 2, 3, 4]


def test_plateau_is_stepped_with_the_validation_loss(recipe: Recipe, tmp_path: Path) -> None:
    plateau = recipe(epochs=6, scheduler="plateau")
    history, _ = run(Scripted(nn.Linear(1, 1), [0] * 6, [1, 2, 2, 2, 2, 2]), plateau, tmp_path / "rising")
    assert [epoch["learning_rate"] for epoch in history] == [0.01] * 4 + [0.005] * 2
    history, _ = run(Scripted(nn.Linear(1, 1), [0] * 6, [6, 5, 4, 3, 2, 1]), plateau, tmp_path / "falling")
    assert [epoch["learning_rate"] for epoch in history] == [0.01] * 6


def test_the_history_holds_every_measure_as_means_over_images(recipe: Recipe, tmp_path: Path) -> None:
    task = Scripted(nn.Linear(1, 1), [0.25, 0.5], [3, 2])
    history, told = run(task, recipe(epochs=2, scheduler="none"), tmp_path, loader(6, 4))
    assert [list(epoch) for epoch in history] == [
        ["epoch", "learning_rate", "train_loss", "train_size", "val_loss", "val_rank", "best"]
    ] * 2
    assert [epoch["train_size"] for epoch in history] == pytest.approx([(4 * 4 + 2 * 2) / 6] * 2)
    assert [(epoch["val_loss"], epoch["val_rank"], epoch["best"]) for epoch in history] == [(3, 0.25, 0), (2, 0.5, 1)]
    assert [epoch["epoch"] for epoch in told] == [1, 2]


@pytest.mark.parametrize(("clip", "update"), [(1.0, (0.6, 0.8)), (10.0, (3.0, 4.0)), (0.0, (3.0, 4.0))])
def test_gradients_are_clipped_to_their_norm(
    recipe: Recipe, tmp_path: Path, clip: float, update: tuple[float, float]
) -> None:
    class Slope(Scripted):
        def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            return (self.model.weight * torch.tensor([3.0, 4.0])).sum(), {}

    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    sgd = recipe(
        optimizer="sgd", learning_rate=1, momentum=0, weight_decay=0, scheduler="none", epochs=1, gradient_clip=clip
    )
    run(Slope(model, [1]), sgd, tmp_path, loader(4, 4))
    assert (before - model.weight).flatten().tolist() == pytest.approx(update, abs=1e-6)


def test_one_nan_loss_makes_every_weight_nan_in_a_plain_loop() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    (model(torch.ones(1, 3)).sum() * math.nan).backward()
    optimizer.step()
    assert all(parameter.isnan().all() for parameter in model.parameters())


class Faulty(Scripted):
    """A task whose loss, gradient or validation loss is not finite in the last step of the second epoch."""

    def __init__(self, model: nn.Linear, what: str) -> None:
        self.what, self.steps, self.before = what, 0, torch.zeros(0)
        super().__init__(model, [0.5, 0.6, 0.7], [1, math.nan if what == "validation" else 1, 1])

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.steps += 1
        self.before = self.model.weight.detach().clone()
        weight = self.model.weight.sum()
        if self.steps == 4 and self.what == "loss":
            return weight * math.nan, {}
        if self.steps == 4 and self.what == "infinite loss":
            return weight + math.inf, {}
        if self.steps == 4 and self.what == "gradient":
            return torch.sqrt(weight * 0), {}  # 0, with a slope of 0 * infinity
        return weight, {}


def stopped(task: Faulty, recipe: Training, folder: Path, message: str) -> None:
    """Assert that the training ends with this message, and that only the first epoch is in its checkpoint."""
    with pytest.raises(CytopipeError, match=f"^{message}.*lower learning_rate"):
        run(task, recipe, folder)
    state = Checkpoint(folder).load()
    assert state is not None and len(state["history"]) == 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("loss", "the loss is nan in epoch 2, step 2\n"),
        ("infinite loss", "the loss is inf in epoch 2, step 2\n"),
        ("gradient", "the norm of the gradient is nan in epoch 2, step 2\n"),
    ],
)
@pytest.mark.parametrize("clip", [0, 1])
def test_no_step_is_taken_with_a_loss_or_a_gradient_that_is_not_finite(
    recipe: Recipe, tmp_path: Path, what: str, message: str, clip: float
) -> None:
    task = Faulty(nn.Linear(1, 1), what)
    stopped(task, recipe(gradient_clip=clip), tmp_path, message)
    assert task.steps == 4 and task.model.weight.isfinite().all()
    assert torch.equal(task.model.weight, task.before)


def test_a_validation_loss_that_is_not_finite_ends_the_training_after_the_epochs_last_step(
    recipe: Recipe, tmp_path: Path
) -> None:
    task = Faulty(nn.Linear(1, 1), "validation")
    stopped(task, recipe(), tmp_path, "the validation loss is nan in epoch 2\n")
    assert task.steps == 4 and task.model.weight.isfinite().all()
    assert not torch.equal(task.model.weight, task.before)
