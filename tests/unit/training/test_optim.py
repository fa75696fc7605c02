from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from cytopipe.core.params import Training
from cytopipe.training.optim import Schedule, gradient_norm, make_optimizer, take_step
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


def channels_last_network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    network.to(memory_format=torch.channels_last)
    return network


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("clip", [0, 0.01, 100])
def test_a_step_is_that_of_the_plain_optimiser_after_clipping(recipe: Recipe, name: str, clip: float) -> None:
    ours, plain = channels_last_network(), channels_last_network()
    fused = make_optimizer(ours.parameters(), recipe(optimizer=name, weight_decay=0.05, momentum=0.8))
    kind: Any = type(fused)
    options = {"momentum": 0.8} if name == "sgd" else {}
    reference = kind(plain.parameters(), lr=0.01, weight_decay=0.05, foreach=False, **options)
    for step in range(3):
        images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for network, optimizer in ((ours, fused), (plain, reference)):
            optimizer.zero_grad()
            network(images).square().sum().backward()
        norm = gradient_norm(fused)
        take_step(fused, norm, clip, skip=torch.zeros(()))
        assert float(nn.utils.clip_grad_norm_(plain.parameters(), clip or math.inf)) == pytest.approx(
            float(norm), rel=1e-4
        )
        reference.step()
    for found, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_skipped_step_leaves_weights_and_state(recipe: Recipe, name: str) -> None:
    network = channels_last_network()
    optimizer = make_optimizer(network.parameters(), recipe(optimizer=name))

    def everything() -> list[torch.Tensor]:
        states = [value for state in optimizer.state.values() for value in state.values()]
        return [value.detach().clone() for value in (*network.parameters(), *states)]

    for skip in (0.0, 1.0):
        before = everything()
        optimizer.zero_grad()
        (network(torch.rand(2, 3, 8, 8)).sum() * (math.nan if skip else 1)).backward()
        take_step(optimizer, gradient_norm(optimizer), 1, skip=torch.tensor(skip))
        same = len(before) == len(everything()) and all(map(torch.equal, before, everything()))
        assert same == bool(skip)
