from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Augmentation, Classifier, Training
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Batch, Labelled
from cytopipe.training.losses import Loss
from cytopipe.training.mixing import Mixer
from fixture_types import Recipe


class ByFirstPixel(nn.Module):
    """Logits are (0, z), where z is 0 for an item of class 0 and log 3 for an item of class 1."""

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
    mix: dict[str, float] | None = None,
) -> tuple[ClassificationTask, torch.Tensor]:
    """A task with these training labels, and items that look like `shown`; `truth` is the validation's."""
    items = np.zeros((len(shown), 4, 4, 5), np.uint8)
    items[:, 0, 0, 0] = np.array(shown) * 255
    loss = Loss("ce", None if weights is None else torch.tensor(weights, dtype=torch.float32), smoothing)
    transform = InputTransform("rgb", (0, 0, 0), (1, 1, 1))
    validation = Labelled(items, np.array(truth if truth is not None else shown))
    mixer = Mixer(Augmentation.model_validate(mix), 0, 2) if mix else None
    one = ClassificationTask(ByFirstPixel(), transform, np.array(labels), validation, loss, 2, mixer)
    return one, torch.from_numpy(items)


# Cross-entropies of the two kinds of items: p = (1/2, 1/2) and (1/4, 3/4).
EVEN, RIGHT, WRONG = math.log(2), math.log(4 / 3), math.log(4)


def test_a_step_is_the_cross_entropy_of_the_batchs_own_labels() -> None:
    one, items = task([1, 0, 1], [0, 1, 1])
    loss, measures = one.step(Batch(items, torch.tensor([1, 2, 1])))  # labels 0, 1, 0
    assert float(loss) == pytest.approx((EVEN + RIGHT + WRONG) / 3)
    assert float(measures["accuracy"]) == pytest.approx(2 / 3)


def test_class_weights_weigh_training_and_validation() -> None:
    one, items = task([0, 1], [0, 1], weights=[1, 3])
    expected = (1 * EVEN + 3 * RIGHT) / 4
    assert float(one.step(Batch(items, torch.tensor([0, 1])))[0]) == pytest.approx(expected)
    assert one.validate()["loss"] == pytest.approx(expected)


def test_labels_are_smoothed_in_training_only() -> None:
    one, items = task([0, 1], [0, 1], smoothing=0.2)
    smoothed = 0.9 * RIGHT + 0.1 * WRONG
    assert float(one.step(Batch(items, torch.tensor([0, 1])))[0]) == pytest.approx((EVEN + smoothed) / 2)
    assert one.validate()["loss"] == pytest.approx((EVEN + RIGHT) / 2)


def test_validation_counts_every_image_once_whatever_the_batch() -> None:
    one, _ = task([], [0, 1, 1, 1, 0], truth=[0, 1, 1, 0, 1])  # batches of 2, 2 and 1
    assert one.validate() == {
        "loss": pytest.approx((2 * EVEN + 2 * RIGHT + WRONG) / 5),
        "accuracy": pytest.approx(3 / 5),
        "macro_f1": pytest.approx((2 * 1 / 4 + 2 * 2 / 6) / 2),
    }


def test_mixed_images_are_judged_by_their_larger_label_and_validation_is_not_mixed() -> None:
    one, items = task([0, 1], [0, 1], mix={"mixup": 1.0})
    for step in range(5):
        batch = Batch(items, torch.tensor([0, 1]), 0, step)
        images, shares = Mixer(Augmentation(mixup=1.0), 0, 2)(one.transform(items), torch.tensor([0, 1]), 0, step)
        own = float(shares[0, 0])  # of each image in its mixture
        loss, measures = one.step(batch)
        logs = torch.log_softmax(ByFirstPixel()(images), dim=1)
        assert float(loss) == pytest.approx(float(-(shares * logs).sum(dim=1).mean()))
        # Any red is class 1: of the two mixtures one has class 1 as the larger label.
        assert 0 < own < 1 and float(measures["accuracy"]) == 0.5
    assert one.validate()["loss"] == pytest.approx((EVEN + RIGHT) / 2)


def test_epochs_are_ranked_by_accuracy_and_then_by_loss() -> None:
    one, _ = task([], [0])
    measures = [(0.5, 1.0), (0.75, 2.0), (0.75, 1.5), (0.5, 0.1)]
    ranked = sorted(measures, key=lambda pair: one.rank({"epoch": 1, "accuracy": pair[0], "loss": pair[1]}))
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


def test_a_specification_rebuilds_the_network_and_what_it_sees(recipe: Recipe, tmp_path: Path) -> None:
    asked = config(recipe(), head="mlp", activation="mish", freeze=True, input_size=48, tta=8)
    model, spec = make_classifier(asked, ("a", "b"), 32, "0" * 64)
    assert (spec.input_size, spec.network_size, spec.tta) == (32, 48, 8)
    save_model(tmp_path, model, spec)
    loaded, _ = load_model(tmp_path)
    images = torch.rand(2, 3, 48, 48)
    assert torch.equal(loaded(images), model.eval()(images))
    assert any(isinstance(part, nn.Mish) for part in loaded.modules())


def test_initial_weights_depend_on_the_seed_alone(recipe: Recipe) -> None:
    def first(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)  # whatever was drawn before
        model, _ = make_classifier(config(recipe(seed=seed)), ("a", "b"), 32, "0" * 64)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))
