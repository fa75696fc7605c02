"""Training on the features of a frozen backbone gives the same result as training the whole network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Classifier, Training
from cytopipe.data.tensors import open_array
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.heads import freeze_backbone
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import ModelSpec
from cytopipe.training import train_classifier
from cytopipe.training.data import Labelled
from cytopipe.training.features import fixed_head, frozen_features
from cytopipe.training.loop import Epoch
from cytopipe.training.train_classifier import ClassifierJob, fit_classifier, labelled
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

ITEMS = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 5), dtype=np.uint8)
RGB = InputTransform("rgb", (0.5,) * 3, (0.5,) * 3)


class Small(nn.Module):
    """Convolution, batch normalisation, pooling and a linear head; dropout before the head is optional."""

    statistics_drift = False

    def __init__(self, dropout: float = 0.0, after: float = 1.0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.dropout, self.after = nn.Dropout(dropout), after
        self.classifier_head = nn.Linear(6, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier_head(self.dropout(self.body(images).mean(dim=(2, 3))))
        return logits * self.after


def frozen(model: Small, drift: bool = False) -> Small:
    freeze_backbone(model, model.classifier_head)
    model.statistics_drift = drift
    return model


def test_the_head_of_a_frozen_backbone_is_found() -> None:
    model = frozen(Small())
    assert fixed_head(model, RGB, ITEMS) is model.classifier_head


@pytest.mark.parametrize(
    "model",
    [Small(), frozen(Small(dropout=0.5)), frozen(Small(), drift=True), frozen(Small(after=2.0))],
    ids=["trained", "dropout before the head", "drifting statistics", "a factor after the head"],
)
def test_a_head_whose_inputs_or_outputs_differ_in_training_is_not_fixed(model: nn.Module) -> None:
    assert fixed_head(model, RGB, ITEMS) is None


def test_the_search_for_a_fixed_head_changes_neither_weights_nor_statistics() -> None:
    for model in (frozen(Small()), frozen(Small(), drift=True)):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        fixed_head(model, RGB, ITEMS)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_features_are_the_inputs_of_the_head(tmp_path: Path) -> None:
    model = frozen(Small())
    labels = np.arange(9) % 2
    found = frozen_features(model, RGB, Labelled(ITEMS, labels), Labelled(ITEMS[:4], labels[:4]), tmp_path)
    assert found is not None and found.head is model.classifier_head
    assert found.train.items.shape == (9, 6) and found.validation.items.shape == (4, 6)
    assert isinstance(found.train.items, np.memmap) and found.train.items.dtype == np.float32
    with torch.no_grad():
        logits = model.classifier_head(torch.from_numpy(found.train.items.copy()))
        assert torch.allclose(logits, model.eval()(RGB(torch.from_numpy(ITEMS))), atol=1e-6)


def train(
    recipe: Training, tensors: Path, folder: Path, **changes: Any
) -> tuple[nn.Module, ModelSpec, Sequence[Epoch]]:
    given = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", "freeze": True, **changes}
    config = Classifier.model_validate({**given, "training": recipe})
    folder.mkdir(exist_ok=True)
    place = Workspace(torch.device("cpu"), 0, folder, folder / "checkpoint", lambda part, epoch: None)
    job = ClassifierJob(config, ("a", "b"), (), tensors, "1" * 64, place)
    found = fit_classifier(job, labelled(tensors, "train"), labelled(tensors, "val"))
    return found.model, found.spec, found.history


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "own"},
        {"head": "mlp", "activation": "mish"},
        {"architecture": "alexnet_hep2", "arguments": {"width": 4}, "input_size": 64},
    ],
    ids=["linear", "mlp with dropout", "alexnet"],
)
def test_training_on_features_gives_the_weights_of_training_the_whole_network(
    recipe: Recipe, tensors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    asked = recipe(loss="focal", steps_per_epoch=5, label_smoothing=0.1)
    fast, _, fast_history = train(asked, tensors, tmp_path / "features", **changes)
    assert (tmp_path / "features/train_features.npy").is_file()
    monkeypatch.setattr(train_classifier, "frozen_features", lambda *given: None)
    slow, _, slow_history = train(asked, tensors, tmp_path / "whole", **changes)
    assert not (tmp_path / "whole/train_features.npy").exists()
    for name, value in slow.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], value, atol=1e-5, rtol=1e-4)
    for one, other in zip(fast_history, slow_history, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert fast_history[0]["train_loss"] != fast_history[-1]["train_loss"]


@pytest.mark.parametrize("change", [{"flips": True}, {"mosaic": 0.5}])
def test_augmented_images_pass_through_the_whole_network(
    recipe: Recipe, tensors: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    _, _, history = train(recipe(epochs=1, augment=change), tensors, tmp_path)
    assert len(history) == 1 and not (tmp_path / "train_features.npy").exists()


def test_training_on_features_continues_where_it_was_killed(recipe: Recipe, tensors: Path, tmp_path: Path) -> None:
    whole, _, expected = train(recipe(scheduler="none"), tensors, tmp_path / "whole", head="mlp")
    train(recipe(epochs=2, scheduler="none"), tensors, tmp_path / "again", head="mlp")
    found, _, history = train(recipe(scheduler="none"), tensors, tmp_path / "again", head="mlp")
    assert history == expected
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_frozen_network_with_an_svm_tells_dark_from_bright_and_is_rebuilt_from_its_folder(
    recipe: Recipe, tensors: Path, tmp_path: Path
) -> None:
    model, spec, history = train(recipe(), tensors, tmp_path / "work", head="svm", input_size=48)
    assert [(epoch["epoch"], epoch["best"], epoch["val_accuracy"]) for epoch in history] == [(1, 1, 1)]
    assert {"train_loss", "train_accuracy", "val_loss"} <= set(history[0]) and not model.training
    save_model(tmp_path / "model", model, spec)
    loaded, again = load_model(tmp_path / "model")
    items = open_array(tensors / "val.npy")
    found = class_probabilities(loaded, input_transform(again, torch.device("cpu")), items)
    assert found.argmax(axis=1).tolist() == [0, 1, 0, 1, 0, 1] and found.max(axis=1).min() > 0.6
    nll = -np.log(found[np.arange(6), np.arange(6) % 2]).mean()
    assert history[0]["val_loss"] == pytest.approx(nll, abs=1e-4)


@pytest.mark.parametrize(
    ("augment", "changes"),
    [
        ({"flips": True}, {}),
        ({"mixup": 0.4}, {}),
        ({}, {"arguments": {"dropout": 0.5}}),
        ({}, {"architecture": "resnet50_frozen_drifting", "arguments": {"backbone": "test_resnet"}}),
    ],
    ids=["augmented", "mixed", "dropout before the head", "drifting statistics"],
)
def test_an_svm_needs_features_that_stay_the_same(
    recipe: Recipe, tensors: Path, tmp_path: Path, augment: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(CytopipeError, match="freeze: true and no augmentation"):
        train(recipe(augment=augment), tensors, tmp_path, head="svm", **changes)
