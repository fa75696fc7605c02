"""Equal seeds give equal bits: in repeated and resumed trainings, and with any number of loader processes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cytopipe.core.params import Training
from cytopipe.data.augment import Augmenter
from cytopipe.models.determinism import seed_epoch
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.loop import Epoch, fit
from fixture_types import Recipe

AUGMENT = {"flips": True, "rotation": 20, "brightness": 0.2}
ITEMS = np.random.default_rng(0).integers(0, 256, (11, 16, 16, 5), dtype=np.uint8)


class KillError(Exception):
    pass


class Brightness:
    """Classify items as brighter or darker than the median, by a network with batch normalisation and dropout."""

    def __init__(self) -> None:
        seed_epoch(0, 0)
        body = nn.Sequential(nn.Conv2d(5, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))
        self.model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 2))
        self.model = self.model.to(memory_format=torch.channels_last)
        means = ITEMS.mean(axis=(1, 2, 3))
        self.truth = torch.from_numpy((means > np.median(means)).astype(np.int64))

    def _loss(self, items: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(items.permute(0, 3, 1, 2) / 255)
        return F.cross_entropy(logits.float(), truth)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self._loss(batch[0], self.truth[batch[1]]), {}

    def validate(self) -> dict[str, float]:
        return {"loss": float(self._loss(torch.from_numpy(ITEMS), self.truth))}

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        return (-measures["loss"],)


class Result(NamedTuple):
    weights: dict[str, torch.Tensor]
    history: list[Epoch]

    def same(self, other: Result) -> bool:
        equal = all(torch.equal(value, other.weights[name]) for name, value in self.weights.items())
        return equal and self.history == other.history


def train(recipe: Training, folder: Path, *, workers: int = 0, kill_after: int | None = None) -> Result:
    def on_epoch(epoch: Epoch) -> None:
        if epoch["epoch"] == kill_after:
            raise KillError

    task = Brightness()
    loader = TrainingLoader(ITEMS, Augmenter(recipe.augment, recipe.seed), recipe.batch_size, recipe.seed, workers)
    history, _ = fit(task.model, task, loader, recipe, torch.device("cpu"), Checkpoint(folder), on_epoch)
    return Result(task.model.state_dict(), history)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_same_seed_gives_the_same_bits_with_any_number_of_loader_processes(
    recipe: Recipe, tmp_path: Path, workers: int
) -> None:
    expected = train(recipe(augment=AUGMENT), tmp_path / "expected")
    assert train(recipe(augment=AUGMENT), tmp_path / "again", workers=workers).same(expected)
    assert not train(recipe(augment=AUGMENT, seed=1), tmp_path / "other").same(expected)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "choice",
    [
        {"optimizer": "adamw", "scheduler": "cosine", "warmup_epochs": 2, "gradient_clip": 0.5},
        {"optimizer": "sgd", "scheduler": "plateau"},
        {"optimizer": "adam", "scheduler": "none", "warmup_epochs": 1},
    ],
    ids=["adamw-cosine", "sgd-plateau", "adam-none"],
)
def test_a_training_killed_after_any_epoch_ends_with_the_same_bits(
    recipe: Recipe, tmp_path: Path, epoch: int, choice: dict[str, object], workers: int
) -> None:
    asked = recipe(**choice, augment=AUGMENT)
    expected = train(asked, tmp_path / "undisturbed", workers=workers)
    with pytest.raises(KillError):
        train(asked, tmp_path / "killed", workers=workers, kill_after=epoch)
    assert train(asked, tmp_path / "killed", workers=workers).same(expected)


def test_a_training_killed_again_and_again_ends_with_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    expected = train(recipe(), tmp_path / "undisturbed")
    for epoch in (1, 2, 3):
        with pytest.raises(KillError):
            train(recipe(), tmp_path / "killed", kill_after=epoch)
    assert train(recipe(), tmp_path / "killed").same(expected)


def test_bf16_trains_weights_that_stay_fp32(recipe: Recipe, tmp_path: Path) -> None:
    rounded = train(recipe(precision="bf16"), tmp_path / "bf16")
    assert {value.dtype for value in rounded.weights.values()} == {torch.float32, torch.int64}
    exact = train(recipe(), tmp_path / "fp32")
    assert not rounded.same(exact)
    assert rounded.history[-1]["val_loss"] == pytest.approx(exact.history[-1]["val_loss"], abs=0.05)
