from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import SPLITS, Classifier, Training
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.data.tensors import load_all
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.evaluate import evaluate
from cytopipe.evaluation.classifier.guarantees import evaluate_guarantees
from cytopipe.models.bundle import Together, example_images, save_classifier
from cytopipe.models.decision_rule import rule_of
from cytopipe.models.ensemble import save_ensemble
from cytopipe.models.files import model_id
from cytopipe.models.folder import save_model
from cytopipe.models.folds import Folds
from cytopipe.models.guarantees import has_sets
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.ensemble import PERFORMANCE
from cytopipe.results.model_spec import DecisionRule
from cytopipe.training import train_classifier as module
from cytopipe.training.classification import make_classifier
from cytopipe.training.data import Labelled
from cytopipe.training.decision_rule import choose_rule
from cytopipe.training.guarantees import REFITTED
from cytopipe.training.loop import Epoch
from cytopipe.training.train_classifier import (
    ClassifierJob,
    TrainedClassifier,
    fit_classifier,
    labelled,
    train_classifier,
)
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

COUNT = 36
CPU = torch.device("cpu")


@pytest.fixture
def grouped(tmp_path: Path) -> Path:
    """Tensors of 36 images in 12 groups: the first pixel is the row in the manifest, the others show the class."""
    folder = tmp_path / "grouped"
    folder.mkdir()
    rows = [
        Row(f"{i:02}", "", "ab"[i % 2], i % 2, SPLITS[i // 3 % 3], f"g{i // 3}", 32, 32, str(i)) for i in range(COUNT)
    ]
    items = np.random.default_rng(0).integers(0, 60, (COUNT, 32, 32, 5), dtype=np.uint8)
    items[1::2, ..., :3] += 180
    items[:, 0, 0, 0] = np.arange(COUNT)
    for split in SPLITS:
        np.save(folder / f"{split}.npy", items[[row.split == split for row in rows]])
    write_manifest(folder / "manifest.csv", rows)
    return folder


@pytest.fixture
def config(recipe: Recipe) -> Classifier:
    training = recipe(epochs=2).model_dump()
    return Classifier.model_validate(
        {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", "folds": 3, "training": training}
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(CPU, 0, tmp_path / "scratch", tmp_path / "checkpoints", lambda part, epoch: None)


def job(config: Classifier, tensors: Path, workspace: Workspace) -> ClassifierJob:
    return ClassifierJob(config, ("a", "b"), (), tensors, "0" * 64, workspace)


def save(trained: TrainedClassifier, folder: Path) -> Path:
    for part, network in trained.networks.items():
        save_model(folder / part, network.model, network.spec, network.files)
    return folder


def shown(data: Labelled) -> set[int]:
    return {int(item[0, 0, 0]) for item in data.items[:]}


def test_no_network_sees_an_image_or_a_group_that_it_is_tested_on(
    grouped: Path, config: Classifier, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int]]] = []
    real = module.fit_classifier

    def watched(one: ClassifierJob, train: Labelled, val: Labelled) -> Trained:
        seen.append((shown(train), shown(val)))
        assert all(train.labels == [index % 2 for index in (item[0, 0, 0] for item in train.items[:])])
        return real(one, train, val)

    monkeypatch.setattr(module, "fit_classifier", watched)
    trained = train_classifier(job(config, grouped, workspace))
    assert list(trained.networks) == ["folds/0", "folds/1", "folds/2"]
    assert list(trained.folds) == [f"{index:02}" for index in range(COUNT)]
    for fold, (train, validation) in enumerate(seen):
        tested = {int(name) for name, number in trained.folds.items() if number == fold}
        assert train | validation | tested == set(range(COUNT))
        groups = [{index // 3 for index in part} for part in (train, validation, tested)]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]


def test_every_image_is_predicted_by_the_network_of_its_fold(
    grouped: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    trained = train_classifier(job(config, grouped, workspace))
    folder = save(trained, tmp_path / "model")
    Folds(trained.folds, folder).write()
    found = evaluate(folder, grouped, "d", CPU)
    assert found.details.model is None  # without a rule for all of them, the networks are no model
    assert [row.id for row in found.rows] == list(trained.folds)
    items = load_all(grouped)[0]
    for index in (0, 17, 35):
        one = trained.networks[f"folds/{trained.folds[f'{index:02}']}"]
        alone = class_probabilities(one.model, input_transform(one.spec, CPU), items.take([index]))
        assert found.probabilities[index] == pytest.approx(alone[0], abs=1e-6)
    details = found.details
    assert details.folds is not None and details.folds.count == 3
    accuracy = details.folds.metrics["accuracy"]
    values = [value for value in accuracy.values if value is not None]
    assert len(values) == 3 and np.mean(values) == pytest.approx(accuracy.mean)
    assert details.images == COUNT and details.groups == 12
    assert set(details.test_sha256) == set(SPLITS)
    assert all(one.validation is not None and one.validation.shape[1] == 2 for one in trained.networks.values())
    chosen = [rule_of(one.spec).temperature for one in trained.networks.values()]
    assert list(details.calibration.temperature) == chosen

    promised = evaluate_guarantees(found, folder)
    assert promised is not None and promised.calibrated_on == "validation"
    for one, images, groups in zip(trained.networks.values(), promised.sets.images, promised.sets.groups, strict=True):
        assert one.validation is not None and images == len(one.validation) == 3 * groups
    assert promised.sets.withheld is not None and "needs 9 groups" in promised.sets.withheld


class Memory(nn.Module):
    """Sure of class a for images that it was trained or validated on, and of class b for all others."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known = known

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        numbers = images[:, 0, 0, 0].round().int().tolist()
        return torch.tensor([[4.0, 0.0] if number in self.known else [0.0, 4.0] for number in numbers])


@pytest.mark.parametrize("refit", [False, True])
def test_the_rule_of_all_folds_uses_no_prediction_of_a_network_that_was_trained_on_the_image(
    refit: bool, grouped: Path, config: Classifier, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remember(one: ClassifierJob, train: Labelled, val: Labelled, last_epoch: bool = False) -> Trained:
        _, spec = make_classifier(one.config, one.classes, 32, one.data_hash)
        # As the identity on pixels, so that the network sees which image it is.
        spec = spec.model_copy(update={"mean": (0.0,) * 3, "std": (1 / 255,) * 3})
        return Trained(Memory(shown(train) | shown(val)), spec, [{"epoch": 1}])

    judged: list[tuple[np.ndarray, np.ndarray]] = []

    def watched(truth: np.ndarray, probabilities: np.ndarray, *names: Sequence[str]) -> DecisionRule:
        judged.append((truth, probabilities))
        return choose_rule(truth, probabilities, *names)

    monkeypatch.setattr(module, "fit_classifier", remember)
    monkeypatch.setattr(module, "choose_rule", watched)
    trained = train_classifier(job(config.model_copy(update={"refit": refit}), grouped, workspace))
    *of_folds, (truth, probabilities) = judged
    assert len(of_folds) == 3 and all((found.argmax(axis=1) == 0).all() for _, found in of_folds)  # they know theirs
    assert (probabilities.argmax(axis=1) == 1).all() and len(probabilities) == COUNT
    assert truth.tolist() == [index % 2 for index in range(COUNT)]
    assert np.array_equal(trained.judged, probabilities) and trained.rule is not None
    promised = trained.guarantees
    assert promised is not None and promised.calibrated_on == "out-of-fold"
    assert (promised.sets.groups, promised.sets.images, promised.sets.withheld) == (12, COUNT, None)


def test_several_networks_are_saved_as_one_model_whose_evaluation_stays_cross_validated(
    grouped: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    trained = train_classifier(job(config, grouped, workspace))
    assert trained.rule is not None
    folder = tmp_path / "model"
    networks = {part: (one.model, one.spec) for part, one in trained.networks.items()}
    further = {part: one.files for part, one in trained.networks.items()}
    examples = example_images(*labelled(grouped, "val"))
    save_classifier(
        folder,
        "m",
        networks,
        trained.folds,
        examples,
        None,
        further,
        Together(trained.rule, COUNT, 12, trained.guarantees),
    )
    predictor = Predictor.load(folder, CPU)
    assert predictor.rule == trained.rule
    assert predictor.spec.guarantees == trained.guarantees and has_sets(predictor.spec)
    about = (folder / "README.md").read_text()
    assert "mean of the probabilities of 3 networks" in about and "performance is cross-validated" in about
    assert "(36 images of 12 groups)" in about and "cytopipe predict . folds/0/example_0.png" in about

    found = evaluate(folder, grouped, "d", CPU)
    assert found.details.model == model_id(folder)
    assert found.details.performance == PERFORMANCE["folds"]
    # Not the mean, which has seen the images: the very predictions that chose the rule.
    assert np.allclose(found.probabilities, trained.judged, rtol=0, atol=1e-6)
    mean = class_probabilities(predictor.model, predictor.transform, load_all(grouped)[0].take(np.arange(COUNT)))
    assert not np.allclose(found.probabilities, mean, rtol=0, atol=1e-6)


def test_folds_of_other_images_are_an_error(
    grouped: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    trained = train_classifier(job(config, grouped, workspace))
    folder = save(trained, tmp_path / "model")
    Folds({name: fold for name, fold in trained.folds.items() if name != "07"}, folder).write()
    with pytest.raises(CytopipeError, match="'07' is in no fold"):
        evaluate(folder, grouped, "d", CPU)


def test_without_folds_one_network_is_trained_and_the_test_split_is_not_read(
    grouped: Path, config: Classifier, workspace: Workspace
) -> None:
    (grouped / "test.npy").unlink()
    one = config.model_copy(update={"folds": 0})
    trained = train_classifier(job(one, grouped, workspace))
    assert list(trained.networks) == [""] and not trained.folds
    assert len(trained.history) == 2


def test_each_seed_is_a_training_of_its_own_and_the_first_is_the_one_without_seeds(
    grouped: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    one = config.model_copy(update={"folds": 0})
    alone = train_classifier(job(one, grouped, workspace))
    place = replace(workspace, scratch=tmp_path / "other", checkpoints=tmp_path / "others")
    trained = train_classifier(job(one.model_copy(update={"seeds": 3}), grouped, place))
    assert list(trained.networks) == ["", "seeds/1", "seeds/2"]
    networks = [*alone.networks.values(), *trained.networks.values()]
    weights = [one.model.state_dict()["fc.weight"] for one in networks]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2]) and not torch.equal(weights[2], weights[3])

    folder = save(trained, tmp_path / "model")
    alone_first = evaluate(folder, grouped, "d", CPU).details
    assert alone_first.seeds is not None and alone_first.seeds.count == 3
    assert alone_first.seeds.metrics["accuracy"].values[0] == alone_first.metrics["accuracy"].value

    assert trained.rule is not None
    found = [network.validation for network in trained.networks.values() if network.validation is not None]
    assert np.array_equal(trained.judged, (found[0] + found[1] + found[2]) / 3)
    truth = labelled(grouped, "val").labels
    assert trained.rule == choose_rule(truth, trained.judged, ("a", "b"), ())
    save_ensemble(folder, "seeds", list(trained.networks), trained.rule, 12, 4)
    result = evaluate(folder, grouped, "d", CPU)
    details = result.details
    predictor = Predictor.load(folder, CPU)
    mean = class_probabilities(predictor.model, predictor.transform, labelled(grouped, "test").items)
    assert np.array_equal(result.probabilities, mean) and result.decisions == [trained.rule]
    assert details.parameters == alone_first.parameters and details.model == model_id(folder)
    assert details.seeds == alone_first.seeds
    assert alone_first.performance is None and "performance" not in alone_first.plain
    assert details.plain["performance"] == PERFORMANCE["seeds"]
    assert details.seeds is not None
    accuracy = details.seeds.metrics["accuracy"]
    accuracies = [value for value in accuracy.values if value is not None]
    assert len(accuracies) == 3 and accuracy.sd == pytest.approx(np.std(accuracies, ddof=1))


@pytest.mark.parametrize("folds", [0, 3])
def test_a_refit_sees_training_and_validation_images_and_keeps_what_validation_decided(
    folds: int, grouped: Path, config: Classifier, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int], bool]] = []
    trained: list[torch.Tensor] = []
    real = module.fit_classifier

    def watched(one: ClassifierJob, train: Labelled, val: Labelled, last_epoch: bool = False) -> Trained:
        seen.append((shown(train), shown(val), last_epoch))
        assert all(train.labels == [int(item[0, 0, 0]) % 2 for item in train.items[:]])
        found = real(one, train, val, last_epoch)
        assert not last_epoch or found.history[-1]["best"] == 1
        trained.append(found.model.state_dict()["fc.weight"].clone())
        return found

    monkeypatch.setattr(module, "fit_classifier", watched)
    one = config.model_copy(update={"folds": folds, "refit": True})
    result = train_classifier(job(one, grouped, workspace))
    count = folds or 1
    assert [last for _, _, last in seen] == [False, True] * count
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert second[0] == first[0] | first[1] and not first[0] & first[1]
    kept = [one.model.state_dict()["fc.weight"] for one in result.networks.values()]
    assert all(torch.equal(one, two) for one, two in zip(kept, trained[1::2], strict=True))
    specs = [one.spec for one in result.networks.values()]
    assert all(spec.decision_rule and (spec.num_threads, spec.cpu) == (1, "native") for spec in specs)
    assert all(spec.guarantees and spec.guarantees.sets.withheld == REFITTED for spec in specs)
    if folds:
        for number, (train, _, _) in enumerate(seen[1::2]):
            assert not train & {int(name) for name, fold in result.folds.items() if fold == number}


def plain(recipe: Training, **changes: Any) -> Classifier:
    given = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", "training": recipe, **changes}
    return Classifier.model_validate(given)


def fit(config: Classifier, tensors: Path, place: Workspace) -> Trained:
    return fit_classifier(job(config, tensors, place), labelled(tensors, "train"), labelled(tensors, "val"))


def train(
    recipe: Training, tensors: Path, folder: Path, **changes: Any
) -> tuple[nn.Module, Sequence[Epoch], list[Epoch]]:
    told: list[Epoch] = []
    place = Workspace(CPU, 0, folder, folder / "checkpoint", lambda part, epoch: told.append(epoch))
    found = fit(plain(recipe, **changes), tensors, place)
    assert found.spec.training_data_sha256 == "0" * 64 and found.spec.precision == "fp32"
    return found.model, found.history, told


@pytest.mark.parametrize("channels", ["rgb", "rgb+masks"])
def test_dark_and_bright_cells_are_distinguished_without_a_test_split(
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


MIXING = {"flips": "mirror", "mixup": 0.4, "cutmix": 1.0, "mosaic": 0.4}


@pytest.mark.parametrize("loss", ["ce", "bce", "smooth_l1", "focal"])
def test_training_works_with_every_loss_on_mixed_and_resized_images(
    recipe: Recipe, tensors: Path, tmp_path: Path, loss: str
) -> None:
    asked = recipe(epochs=8, learning_rate=0.003, loss=loss, augment=MIXING, class_weights="balanced")
    _, history, _ = train(asked, tensors, tmp_path, input_size=40)
    assert max(epoch["val_accuracy"] for epoch in history) == 1
    assert min(epoch["val_loss"] for epoch in history) < history[0]["train_loss"]


class KillError(Exception):
    pass


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mixed_training_killed_after_any_epoch_ends_with_the_same_bits(
    recipe: Recipe, tensors: Path, tmp_path: Path, workers: int
) -> None:
    asked = recipe(epochs=3, augment=MIXING, steps_per_epoch=2)
    expected, history, _ = train(asked, tensors, tmp_path / "whole")

    def killed(part: str, epoch: Epoch) -> None:
        if epoch["epoch"] == when:
            raise KillError

    folder = tmp_path / "killed"
    place = Workspace(CPU, workers, folder, folder / "checkpoint", killed)
    for when in (1, 2):  # noqa: B007  # `killed` reads it
        with pytest.raises(KillError):
            fit(plain(asked), tensors, place)
    when = 0
    found = fit(plain(asked), tensors, place)
    assert found.history == history
    assert all(torch.equal(value, found.model.state_dict()[name]) for name, value in expected.state_dict().items())
