from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.data.manifest import Row, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.evaluate import evaluate
from cytopipe.inference.classify import class_probabilities, input_transform
from cytopipe.io.atomic import write_json
from cytopipe.models.files import FOLDS
from cytopipe.models.folder import save_model
from cytopipe.params import SPLITS, Classifier, Training
from cytopipe.training import crossvalidate
from cytopipe.training.data import Labelled
from cytopipe.training.workspace import Workspace

COUNT = 36
CPU = torch.device("cpu")


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    """36 images in 12 groups; the first pixel is the position in the manifest, the rest shows the class."""
    folder = tmp_path / "tensors"
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
def config(recipe: Callable[..., Training]) -> Classifier:
    training = recipe(epochs=2).model_dump()
    return Classifier.model_validate(
        {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", "folds": 3, "training": training}
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(CPU, 0, tmp_path / "scratch", tmp_path / "checkpoints", lambda part, epoch: None)


def shown(data: Labelled) -> set[int]:
    return {int(item[0, 0, 0]) for item in data.items[:]}


def test_no_network_sees_an_image_or_a_group_that_it_is_tested_on(
    tensors: Path, config: Classifier, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int]]] = []
    real = crossvalidate.fit_classifier

    def watched(one: Classifier, classes: tuple[str, ...], train: Labelled, val: Labelled, *others: object) -> object:
        seen.append((shown(train), shown(val)))
        assert all(train.labels == [index % 2 for index in (item[0, 0, 0] for item in train.items[:])])
        return real(one, classes, train, val, *others)

    monkeypatch.setattr(crossvalidate, "fit_classifier", watched)
    trained = crossvalidate.train_all(config, ("a", "b"), tensors, "0" * 64, workspace)
    assert list(trained.models) == ["folds/0", "folds/1", "folds/2"]
    assert list(trained.folds) == [f"{index:02}" for index in range(COUNT)]
    for fold, (train, validation) in enumerate(seen):
        tested = {int(name) for name, number in trained.folds.items() if number == fold}
        assert train | validation | tested == set(range(COUNT))
        groups = [{index // 3 for index in part} for part in (train, validation, tested)]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]


def test_every_image_is_predicted_by_the_network_of_its_fold(
    tensors: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    trained = crossvalidate.train_all(config, ("a", "b"), tensors, "0" * 64, workspace)
    folder = tmp_path / "model"
    for part, (model, spec) in trained.models.items():
        save_model(folder / part, model, spec)
    write_json(folder / FOLDS, trained.folds)
    found = evaluate(folder, tensors, CPU)
    assert found.about["model"] is None  # no network alone is the classifier
    assert [row.id for row in found.rows] == list(trained.folds)
    items = crossvalidate.load_all(tensors)[0]
    for index in (0, 17, 35):
        model, spec = trained.models[f"folds/{trained.folds[f'{index:02}']}"]
        alone = class_probabilities(model, input_transform(spec, CPU), items.take([index]))
        assert found.probabilities[index] == pytest.approx(alone[0], abs=1e-6)
    folds = found.metrics["folds"]
    assert folds["count"] == 3 and len(folds["accuracy"]["values"]) == 3
    assert np.mean(folds["accuracy"]["values"]) == pytest.approx(folds["accuracy"]["mean"])
    assert found.metrics["images"] == COUNT and found.metrics["groups"] == 12
    assert set(found.about["test_sha256"]) == set(SPLITS)
    chosen = [spec.extra["decisions"]["temperature"] for _, spec in trained.models.values()]
    assert found.metrics["calibration"]["temperature"] == chosen


def test_folds_of_other_images_are_an_error(
    tensors: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    trained = crossvalidate.train_all(config, ("a", "b"), tensors, "0" * 64, workspace)
    folder = tmp_path / "model"
    for part, (model, spec) in trained.models.items():
        save_model(folder / part, model, spec)
    write_json(folder / FOLDS, {name: fold for name, fold in trained.folds.items() if name != "07"})
    with pytest.raises(CytopipeError, match="'07' is in no fold"):
        evaluate(folder, tensors, CPU)


def test_without_folds_one_network_is_trained_and_the_test_split_stays_closed(
    tensors: Path, config: Classifier, workspace: Workspace
) -> None:
    (tensors / "test.npy").unlink()
    one = config.model_copy(update={"folds": 0})
    trained = crossvalidate.train_all(one, ("a", "b"), tensors, "0" * 64, workspace)
    assert list(trained.models) == [""] and not trained.folds
    assert len(trained.history) == 2


def test_each_seed_is_a_training_of_its_own_and_the_first_is_the_one_without_seeds(
    tensors: Path, config: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    one = config.model_copy(update={"folds": 0})
    alone = crossvalidate.train_all(one, ("a", "b"), tensors, "0" * 64, workspace)
    place = replace(workspace, checkpoints=tmp_path / "others")
    trained = crossvalidate.train_all(one.model_copy(update={"seeds": 3}), ("a", "b"), tensors, "0" * 64, place)
    assert list(trained.models) == ["", "seeds/1", "seeds/2"]
    weights = [model.state_dict()["fc.weight"] for model, _ in [*alone.models.values(), *trained.models.values()]]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2]) and not torch.equal(weights[2], weights[3])

    for part, (model, spec) in trained.models.items():
        save_model(tmp_path / "model" / part, model, spec)
    found = evaluate(tmp_path / "model", tensors, CPU)
    accuracies = found.metrics["seeds"]["accuracy"]["values"]
    assert found.metrics["seeds"]["count"] == len(accuracies) == 3
    assert accuracies[0] == found.metrics["accuracy"]
    assert found.metrics["seeds"]["accuracy"]["sd"] == pytest.approx(np.std(accuracies, ddof=1))


@pytest.mark.parametrize("folds", [0, 3])
def test_a_refit_sees_training_and_validation_images_and_keeps_what_validation_decided(
    folds: int, tensors: Path, config: Classifier, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int], bool]] = []
    trained: list[torch.Tensor] = []
    real = crossvalidate.fit_classifier

    def watched(
        one: Classifier, classes: tuple[str, ...], train: Labelled, val: Labelled, *others: object, last: bool = False
    ) -> object:
        seen.append((shown(train), shown(val), last))
        assert all(train.labels == [int(item[0, 0, 0]) % 2 for item in train.items[:]])
        model, spec, history = real(one, classes, train, val, *others, last=last)
        assert not last or history[-1]["best"] == 1
        trained.append(model.state_dict()["fc.weight"].clone())
        return model, spec, history

    monkeypatch.setattr(crossvalidate, "fit_classifier", watched)
    one = config.model_copy(update={"folds": folds, "refit": True})
    result = crossvalidate.train_all(one, ("a", "b"), tensors, "0" * 64, workspace)
    count = folds or 1
    assert [last for _, _, last in seen] == [False, True] * count
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert second[0] == first[0] | first[1] and not first[0] & first[1]
    kept = [model.state_dict()["fc.weight"] for model, _ in result.models.values()]
    assert all(torch.equal(one, two) for one, two in zip(kept, trained[1::2], strict=True))
    assert all("decisions" in spec.extra for _, spec in result.models.values())
    if folds:
        for number, (train, _, _) in enumerate(seen[1::2]):
            assert not train & {int(name) for name, fold in result.folds.items() if fold == number}
