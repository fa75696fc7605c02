"""What is familiar: blank images are not, held-out images are at the promised rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.data.tensors import Items, join
from cytopipe.models.familiarity import FEATURES, STATISTICS, Familiar
from cytopipe.models.inference.classify import input_transform, probabilities_and_features
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.training.data import Labelled
from cytopipe.training.familiarity import choose_threshold, learn_again, learn_familiar, refer

CPU = torch.device("cpu")
SIDE = 24


def cells(count: int, seed: int, grey: bool = False) -> Labelled:
    """Discs of two brightnesses on a noisy background."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    y, x = np.mgrid[:SIDE, :SIDE]
    radius, tone = rng.uniform(5, 9, (count, 1, 1, 1)), np.where(labels, 60, 130)[:, None, None, None]
    inside = ((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2)[None, :, :, None] < radius**2
    colour = np.array([0, 0, 0] if grey else [20, -30, 40])
    noise = np.repeat(rng.normal(0, 8, (count, SIDE, SIDE, 1)), 3, axis=3)
    pixels = np.where(inside, tone + colour, 215) + noise + rng.normal(0, 6, (count, 1, 1, 1))
    items = np.zeros((count, SIDE, SIDE, 5), np.uint8)
    items[..., :3] = np.clip(pixels, 0, 255)
    return Labelled(items, labels)


def network() -> tuple[nn.Module, ModelSpec]:
    torch.manual_seed(0)
    arguments = {"num_classes": 2, "in_channels": 3, "input_size": SIDE}
    spec = ModelSpec(
        task="classification",
        architecture="cell_background",
        arguments=arguments,
        classes=("a", "b"),
        channels="rgb",
        input_size=SIDE,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        training_data_sha256="0" * 64,
    )
    return build("cell_background", **arguments).eval(), spec


def scores(model: nn.Module, spec: ModelSpec, items: Items, familiar: Familiar) -> np.ndarray:
    seen = probabilities_and_features(model, input_transform(spec, CPU), items)[1]
    return familiar.scores(seen, items)


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("grey", [False, True])
def test_blank_images_and_noise_are_unlike_and_others_are_not(grey: bool) -> None:
    model, spec = network()
    learnt = learn_familiar(model, spec, cells(120, 0, grey), cells(100, 1, grey), names(100), CPU)
    assert learnt.familiar.references.keys() == {STATISTICS, FEATURES}
    assert learnt.rule.expected == pytest.approx(1 / 101, abs=1e-6)
    assert (scores(model, spec, cells(300, 2, grey).items, learnt.familiar) > 1).mean() < 0.04
    blank = np.zeros((3, SIDE, SIDE, 5), np.uint8)
    blank[1, ..., :3] = 255
    blank[2, ..., :3] = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3))
    assert (scores(model, spec, blank, learnt.familiar) > 2).all()
    coloured = cells(5, 4, not grey).items
    assert not grey or (scores(model, spec, coloured, learnt.familiar) > 1).all()


def test_it_is_the_same_in_every_run() -> None:
    model, spec = network()
    first, second = (
        learn_familiar(model, spec, cells(60, 0), cells(30, 1), names(30), CPU).familiar.to_bytes() for _ in range(2)
    )
    assert first == second


def test_the_threshold_promises_what_the_images_can() -> None:
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        drawn = rng.normal(size=399)
        rule = choose_threshold(drawn[:199], names(199))
        alarms.append((drawn[199:] > rule.threshold).mean())
    assert rule.expected == rule.at_most == 0.01
    assert np.mean(alarms) == pytest.approx(0.01, abs=0.002)


def test_few_images_and_groups_promise_less() -> None:
    rule = choose_threshold(np.arange(19.0), ["a", "b"] * 9 + ["c"])
    assert (rule.threshold, rule.expected, rule.at_most) == (18.0, 0.05, 0.25)
    alone = choose_threshold(np.array([0.0]), ["a"])
    assert (alone.threshold, alone.expected) == (1.0, 0.5)


def test_a_refitted_network_keeps_the_threshold() -> None:
    model, spec = network()
    train, validation = cells(80, 0), cells(60, 1)
    first = learn_familiar(model, spec, train, validation, names(60), CPU)
    labels = np.concatenate([train.labels, validation.labels])
    both = Labelled(join(train.items, validation.items), labels)
    again = learn_again(first, model, spec, both, CPU)
    assert again.threshold == first.familiar.threshold
    assert (scores(model, spec, cells(200, 2).items, again) > 1).mean() < 0.06


def test_whitened_classes_have_the_identity_as_covariance() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 2
    values = rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5)) + 3 * labels[:, None]
    one = refer(values, labels)
    placed = (values - one.mean) @ one.axes - one.centres[labels]
    assert np.cov(placed.T) == pytest.approx(np.eye(5), abs=0.15)


def test_features_that_never_vary_and_more_features_than_images() -> None:
    values = np.random.default_rng(0).normal(size=(40, 300))
    values[:, :50] = 0
    one = refer(values, np.arange(40) % 3)
    assert one.axes.shape == (300, 2) and np.isfinite(one.distances(values)).all()
    alike = refer(np.zeros((4, 3)), np.array([0, 0, 1, 1]))
    assert np.isfinite(alike.distances(np.ones((2, 3)))).all()
