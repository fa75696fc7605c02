from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Augmentation, Ema
from cytopipe.data.augment import Augmenter
from cytopipe.training.average import Average, applied
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, TrainingLoader
from cytopipe.training.loop import fit
from fixture_types import Recipe


def averages(config: Ema, weights: list[float]) -> list[float]:
    layer = nn.Linear(1, 1, bias=False)
    average, found = Average(layer, config), []
    for weight in weights:
        nn.init.constant_(layer.weight, weight)
        average.update(layer)
        found.append(float(average.weights["weight"]))
    return found


def test_the_average_of_a_known_sequence() -> None:
    assert averages(Ema(decay=0.5, warmup=False), [4, 0, 8, 8]) == [4, 2, 5, 6.5]
    assert averages(Ema(decay=0, warmup=False), [4, 0, 8]) == [4, 0, 8]


def test_the_decay_warms_up_to_its_value() -> None:
    decays = [1 - step ** (-2 / 3) for step in range(1, 9)]
    expected, value = [], 0.0
    for step, decay in enumerate(decays):
        value = min(decay, 0.7) * value + (1 - min(decay, 0.7)) * step
        expected.append(value)
    assert decays[-1] > 0.7 > decays[4]
    assert averages(Ema(decay=0.7), [0, 1, 2, 3, 4, 5, 6, 7]) == pytest.approx(expected, rel=1e-6)


def test_statistics_of_batch_normalisation_are_averaged_and_counters_copied() -> None:
    norm = nn.BatchNorm1d(1)
    average = Average(norm, Ema(decay=0.5, warmup=False))
    for mean in (0.0, 8.0):
        norm.running_mean.fill_(mean)  # type: ignore[union-attr]
        norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        average.update(norm)
    assert average.weights["running_mean"].item() == 4
    assert average.weights["num_batches_tracked"].item() == 2


def test_the_network_holds_the_average_for_a_while_and_frozen_weights_keep_their_bits() -> None:
    first, last = nn.Linear(3, 3), nn.Linear(3, 1, bias=False)
    model = nn.Sequential(first, last)
    first.requires_grad_(False)
    frozen = first.weight.clone()
    average = Average(model, Ema(decay=0.9, warmup=False))
    for weight in (1.0, 2.0):
        nn.init.constant_(last.weight, weight)
        average.update(model)
    with applied(average, model):
        assert last.weight.flatten().tolist() == pytest.approx([1.1] * 3)
        assert torch.equal(first.weight, frozen)
    assert last.weight.tolist() == [[2.0] * 3]
    with applied(None, model):
        assert last.weight.tolist() == [[2.0] * 3]


class Falling:
    """The gradient of the weight is 1; the second epoch is the best."""

    def __init__(self) -> None:
        self.model, self.seen = nn.Linear(1, 1), list[float]()
        nn.init.zeros_(self.model.weight)

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.model.weight.sum(), {}

    def validate(self) -> dict[str, float]:
        self.seen.append(self.model.weight.item())
        return {"loss": 1.0}

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        return (measures["epoch"] == 2,)


def test_the_average_is_what_is_validated_ranked_and_kept(recipe: Recipe, tmp_path: Path) -> None:
    """Two steps per epoch, each of which lowers the weight by 1."""
    task = Falling()
    loader = TrainingLoader(np.zeros((8, 4, 4, 5), np.uint8), Augmenter(Augmentation(), 0), 4, 0, 0)
    asked = recipe(
        epochs=3,
        optimizer="sgd",
        momentum=0,
        weight_decay=0,
        scheduler="none",
        learning_rate=1,
        ema={"decay": 0.5, "warmup": False},
    )
    fit(task.model, task, loader, asked, torch.device("cpu"), Checkpoint(tmp_path), lambda epoch: None)
    # weights -1, -2, -3, -4, -5, -6; averages -1, -1.5, -2.25, -3.125, -4.0625, -5.03125
    assert task.seen == [-1.5, -3.125, -5.03125]
    assert task.model.weight.item() == -3.125  # of the best epoch, the second
