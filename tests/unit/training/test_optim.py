from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cytopipe.core.params import Training
from cytopipe.training.optim import Schedule, make_optimizer
from fixture_types import Recipe


def rates(recipe: Training, losses: list[float]) -> list[float]:
    """Learning rate of each epoch, given the validation losses."""
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], recipe)
    schedule = Schedule(optimizer, recipe)
    found = []
    for loss in losses:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(loss)
    return found


def test_no_scheduler_keeps_the_learning_rate(recipe: Recipe) -> None:
    assert rates(recipe(scheduler="none"), [1, 2, 3, 4]) == [0.01] * 4


def test_cosine_falls_from_the_rate_towards_a_hundredth(recipe: Recipe) -> None:
    expected = [0.0001 + 0.0099 * (1 + math.cos(math.pi * epoch / 5)) / 2 for epoch in range(5)]
    assert rates(recipe(scheduler="cosine", epochs=5), [0] * 5) == pytest.approx(expected)


@pytest.mark.parametrize("scheduler", ["cosine", "none"])
def test_warmup_rises_from_a_tenth_and_the_schedule_follows(recipe: Recipe, scheduler: str) -> None:
    found = rates(recipe(scheduler=scheduler, epochs=6, warmup_epochs=2), [0] * 6)
    assert found[:3] == pytest.approx([0.001, 0.0055, 0.01])
    cosine = [0.0001 + 0.0099 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert found[2:] == pytest.approx(cosine if scheduler == "cosine" else [0.01] * 4)


def test_plateau_halves_after_three_epochs_without_a_smaller_validation_loss(recipe: Recipe) -> None:
    plateau = recipe(scheduler="plateau")
    assert rates(plateau, [1, 1, 1, 1, 1]) == [0.01, 0.01, 0.01, 0.01, 0.005]
    assert rates(plateau, [1, 1, 1, 0.5, 1]) == [0.01] * 5


def test_plateau_has_its_own_factor_patience_and_threshold(recipe: Recipe) -> None:
    plateau = recipe(scheduler="plateau", plateau={"factor": 0.1, "patience": 1, "threshold": 0.1})
    assert rates(plateau, [1, 1, 1, 1]) == pytest.approx([0.01, 0.01, 0.01, 0.001])
    assert rates(plateau, [1, 0.95, 0.91, 0.9])[3] == pytest.approx(0.001)  # falls of less than a tenth do not count
    assert rates(plateau, [1, 0.89, 0.8, 0.7]) == [0.01] * 4


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("adamw", torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.05}),
        ("adam", torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.05}),
        ("sgd", torch.optim.SGD, {"lr": 0.01, "weight_decay": 0.05, "momentum": 0.8}),
    ],
)
def test_an_optimiser_follows_the_recipe_and_gets_only_trainable_parameters(
    recipe: Recipe, name: str, kind: type, options: dict[str, float]
) -> None:
    frozen = nn.Parameter(torch.zeros(1), requires_grad=False)
    trained = nn.Parameter(torch.zeros(1))
    optimizer = make_optimizer([frozen, trained], recipe(optimizer=name, weight_decay=0.05, momentum=0.8))
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert group["params"] == [trained]
    assert {key: group[key] for key in options} == options
