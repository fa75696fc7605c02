from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.core.params import Classifier, Training
from cytopipe.data.manifest import read_manifest, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.models.registry import build
from cytopipe.models.transforms import InputTransform
from cytopipe.training import self_supervised
from cytopipe.training.self_supervised import pretrain
from cytopipe.training.train_classifier import ClassifierJob, train_classifier
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

CPU = torch.device("cpu")
TRANSFORM = InputTransform("rgb", (0.5,) * 3, (0.5,) * 3)
METHODS = ("simsiam", "vicreg")


class KillError(Exception):
    pass


class Place:
    """A workspace that records what it is told, and dies after an epoch of the pretraining, or of the training."""

    def __init__(self, folder: Path, turn: str = "", kill: tuple[str, int] | None = None) -> None:
        self.told, self.kill = list[tuple[str, dict[str, float]]](), kill
        self.workspace = Workspace(CPU, 0, folder / f"scratch{turn}", folder / "checkpoints", self.tell)

    def tell(self, part: str, measures: dict[str, float]) -> None:
        self.told.append((part, measures))
        if self.kill == (part, measures["epoch"]):
            raise KillError


def items(count: int = 12) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 5), dtype=np.uint8)


def network() -> Any:
    torch.manual_seed(0)
    return build("timm/test_resnet", num_classes=2).to(memory_format=torch.channels_last)


def asked(recipe: Recipe, method: str = "simsiam", **changes: Any) -> Training:
    return recipe(self_supervised={"method": method, "epochs": 2, "batch_size": 6, **changes})


@pytest.mark.parametrize("method", METHODS)
def test_the_backbone_learns_and_the_head_keeps_its_bits(recipe: Recipe, tmp_path: Path, method: str) -> None:
    model, first = network(), network().state_dict()
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    place = Place(tmp_path)
    more = asked(recipe, method, epochs=4, learning_rate=0.01, augment={"brightness": 0.1, "noise": 0.05})
    history = pretrain(model, TRANSFORM, items(), more, place.workspace)
    assert [one["epoch"] for one in history] == [1, 2, 3, 4]
    assert list(history[0]) == ["epoch", "learning_rate", "train_loss", "train_spread"]
    assert history[-1]["train_loss"] < history[0]["train_loss"] - 0.3
    assert place.told == [("self_supervised", one) for one in history]
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in first.items() if name.startswith("fc."))
    assert not torch.equal(after["layer1.0.conv1.weight"], first["layer1.0.conv1.weight"])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"fc.weight", "fc.bias"}  # as before


def test_nothing_happens_without_the_option(recipe: Recipe, tmp_path: Path) -> None:
    model, first = network(), network().state_dict()
    assert pretrain(model, TRANSFORM, items(), recipe(), Place(tmp_path).workspace) == []
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("method", "epoch"), [("simsiam", 1), ("vicreg", 1), ("simsiam", 2)])
def test_a_pretraining_that_was_killed_ends_with_the_same_bits(
    recipe: Recipe, tmp_path: Path, method: str, epoch: int
) -> None:
    recipe_ = asked(recipe, method)
    expected = network()
    history = pretrain(expected, TRANSFORM, items(), recipe_, Place(tmp_path / "whole").workspace)
    with pytest.raises(KillError):
        killed = Place(tmp_path / "killed", kill=("self_supervised", epoch))
        pretrain(network(), TRANSFORM, items(), recipe_, killed.workspace)
    again, place = network(), Place(tmp_path / "killed", "again")
    assert pretrain(again, TRANSFORM, items(), recipe_, place.workspace) == history
    assert [one for _, one in place.told] == history
    weights = expected.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())


def test_a_collapse_is_told(recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="cytopipe")
    black = np.zeros((8, 32, 32, 5), np.uint8)
    augment = {"flips": True}
    pretrain(network(), TRANSFORM, black, asked(recipe, augment=augment), Place(tmp_path).workspace)
    assert "nearly the same features" in caplog.text


def test_one_image_is_refused_in_words(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="one training image"):
        pretrain(network(), TRANSFORM, items(1), asked(recipe), Place(tmp_path).workspace)


@pytest.mark.parametrize("changes", [{}, {"folds": 2}], ids=["split", "folds"])
def test_only_the_training_images_of_the_network_are_seen_and_a_killed_stage_ends_with_the_same_bits(
    recipe: Recipe, tensors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int]
) -> None:
    seen: list[set[bytes]] = []
    real = self_supervised._run

    def watched(model: Any, transform: Any, images: Any, *more: Any) -> Any:
        seen.append({bytes(image) for image in images[:]})
        return real(model, transform, images, *more)

    monkeypatch.setattr(self_supervised, "_run", watched)
    if changes:  # a fold takes its images from all three splits
        np.save(tensors / "test.npy", np.empty((0, 32, 32, 5), np.uint8))
        rows = read_manifest(tensors / "manifest.csv")
        write_manifest(tensors / "manifest.csv", [replace(row, sha256=row.id) for row in rows])
    values = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", **changes}
    training = recipe(epochs=1, self_supervised={"epochs": 2, "batch_size": 4}).model_dump()
    config = Classifier.model_validate({**values, "training": training})

    def run(place: Place) -> Any:
        return train_classifier(ClassifierJob(config, ("a", "b"), (), tensors, "0" * 64, place.workspace))

    expected = run(Place(tmp_path / "whole"))
    every = {split: {bytes(image) for image in np.load(tensors / f"{split}.npy")} for split in ("train", "val")}
    if changes:
        assert len(seen) == 2
        assert all(len(images) < 18 * 0.5 for images in seen)  # half is tested, and some of the other half validated
        assert not seen[0] & seen[1]
    else:
        assert seen == [every["train"]]
    part = "folds/1/self_supervised" if changes else "self_supervised"
    with pytest.raises(KillError):
        run(Place(tmp_path / "killed", kill=(part, 1)))
    again = run(Place(tmp_path / "killed", "again"))
    for name, one in expected.networks.items():
        assert one.files["self_supervised.csv"].startswith(b"epoch,learning_rate,train_loss,train_spread\n1,0.001,")
        assert again.networks[name].files == one.files and again.networks[name].history == one.history
        weights = one.model.state_dict()
        after = again.networks[name].model.state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in after.items())
