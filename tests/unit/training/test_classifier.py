from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.inputs import InputTransform
from cytopipe.params import Classifier, Training
from cytopipe.training.classifier import ClassificationTask, make_classifier, train_classifier
from cytopipe.training.loop import Epoch
from cytopipe.training.workspace import Workspace

Recipe = Callable[..., Training]


class ByFirstPixel(nn.Module):
    """Logits (0, first red value): 0 for an item of class 0, log 3 for one of class 1."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red = images[:, 0, 0, 0]
        return torch.stack([torch.zeros_like(red), red * math.log(3)], dim=1)


def task(
    labels: list[int],
    shown: list[int],
    *,
    truth: list[int] | None = None,
    weights: list[float] | None = None,
    smoothing: float = 0.0,
) -> tuple[ClassificationTask, torch.Tensor]:
    """A task with these training labels, and items that look like `shown`; `truth` is the validation's."""
    items = np.zeros((len(shown), 4, 4, 5), np.uint8)
    items[:, 0, 0, 0] = np.array(shown) * 255
    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    transform = InputTransform("rgb", (0, 0, 0), (1, 1, 1))
    validation = (items, np.array(truth if truth is not None else shown))
    return (
        ClassificationTask(ByFirstPixel(), transform, np.array(labels), validation, given, smoothing, batch_size=2),
        torch.from_numpy(items),
    )


# Cross-entropies of the two kinds of items: p = (1/2, 1/2) and (1/4, 3/4).
EVEN, RIGHT, WRONG = math.log(2), math.log(4 / 3), math.log(4)


def test_a_step_is_the_cross_entropy_of_the_batchs_own_labels() -> None:
    one, items = task([1, 0, 1], [0, 1, 1])
    loss, measures = one.step((items, torch.tensor([1, 2, 1])))  # labels 0, 1, 0
    assert float(loss) == pytest.approx((EVEN + RIGHT + WRONG) / 3)
    assert measures == {"accuracy": pytest.approx(2 / 3)}


def test_class_weights_weigh_training_and_validation() -> None:
    one, items = task([0, 1], [0, 1], weights=[1, 3])
    expected = (1 * EVEN + 3 * RIGHT) / 4
    assert float(one.step((items, torch.tensor([0, 1])))[0]) == pytest.approx(expected)
    assert one.validate()["loss"] == pytest.approx(expected)


def test_labels_are_smoothed_in_training_only() -> None:
    one, items = task([0, 1], [0, 1], smoothing=0.2)
    smoothed = 0.9 * RIGHT + 0.1 * WRONG
    assert float(one.step((items, torch.tensor([0, 1])))[0]) == pytest.approx((EVEN + smoothed) / 2)
    assert one.validate()["loss"] == pytest.approx((EVEN + RIGHT) / 2)


def test_validation_counts_every_image_once_whatever_the_batch() -> None:
    one, _ = task([], [0, 1, 1, 1, 0], truth=[0, 1, 1, 0, 1])  # batches of 2, 2 and 1
    assert one.validate() == {
        "loss": pytest.approx((2 * EVEN + 2 * RIGHT + WRONG) / 5),
        "accuracy": pytest.approx(3 / 5),
        "macro_f1": pytest.approx((2 * 1 / 4 + 2 * 2 / 6) / 2),
    }


def test_epochs_are_ranked_by_accuracy_and_then_by_loss() -> None:
    one, _ = task([], [0])
    measures = [(0.5, 1.0), (0.75, 2.0), (0.75, 1.5), (0.5, 0.1)]
    ranked = sorted(measures, key=lambda pair: one.rank({"accuracy": pair[0], "loss": pair[1]}))
    assert ranked == [(0.5, 1.0), (0.5, 0.1), (0.75, 2.0), (0.75, 1.5)]


def config(recipe: Training, **changes: Any) -> Classifier:
    given = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", "training": recipe, **changes}
    return Classifier.model_validate(given)


@pytest.mark.parametrize(("channels", "count"), [("rgb", 3), ("rgb+masks", 5), ("masked", 3)])
def test_a_network_takes_the_channels_and_masks_are_centred(recipe: Recipe, channels: str, count: int) -> None:
    colours = {"mean": (0.7, 0.6, 0.5), "std": (0.1, 0.2, 0.3)}
    model, spec = make_classifier(
        config(recipe(), channels=channels, normalisation=colours), ("a", "b", "c"), 32, "0" * 64
    )
    assert model(torch.rand(2, count, 32, 32)).shape == (2, 3)
    assert spec.mean == (0.7, 0.6, 0.5, 0.5, 0.5)[:count] and spec.std == (0.1, 0.2, 0.3, 0.5, 0.5)[:count]
    assert (spec.classes, spec.input_size, spec.channels) == (("a", "b", "c"), 32, channels)


def test_initial_weights_depend_on_the_seed_alone(recipe: Recipe) -> None:
    def first(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)  # whatever was drawn before
        model, _ = make_classifier(config(recipe(seed=seed)), ("a", "b"), 32, "0" * 64)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def train(recipe: Training, tensors: Path, folder: Path, **changes: Any) -> tuple[nn.Module, list[Epoch], list[Epoch]]:
    told: list[Epoch] = []
    place = Workspace(torch.device("cpu"), 0, folder, folder / "checkpoint", lambda part, epoch: told.append(epoch))
    model, spec, history = train_classifier(config(recipe, **changes), ("a", "b"), tensors, "1" * 64, place)
    assert spec.training_data_sha256 == "1" * 64 and spec.extra == {"precision": "fp32"}
    return model, history, told


@pytest.mark.parametrize("channels", ["rgb", "rgb+masks"])
def test_dark_and_bright_cells_are_told_apart_without_a_test_split(
    recipe: Recipe, tensors: Path, tmp_path: Path, channels: str
) -> None:
    assert not (tensors / "test.npy").exists()
    asked = recipe(epochs=6, learning_rate=0.003, class_weights="balanced")
    model, history, told = train(asked, tensors, tmp_path, channels=channels)
    assert [epoch["epoch"] for epoch in told] == [1, 2, 3, 4, 5, 6]
    best = next(epoch for epoch in history if epoch["best"])
    assert best["val_accuracy"] == max(epoch["val_accuracy"] for epoch in history) == 1
    assert not model.training


def test_balanced_weights_reach_the_loss(recipe: Recipe, tensors: Path, tmp_path: Path) -> None:
    _, even, _ = train(recipe(epochs=1), tensors, tmp_path / "even")
    _, balanced, _ = train(recipe(epochs=1, class_weights="balanced"), tensors, tmp_path / "balanced")
    assert even == balanced  # 6 images of each class: all weights are 1
    text = (tensors / "manifest.csv").read_text().replace("train00,train00,a,0", "train00,train00,b,1")
    (tensors / "manifest.csv").write_text(text)
    _, even, _ = train(recipe(epochs=1), tensors, tmp_path / "even2")
    _, balanced, _ = train(recipe(epochs=1, class_weights="balanced"), tensors, tmp_path / "balanced2")
    assert even != balanced
