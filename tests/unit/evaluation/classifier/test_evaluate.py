from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.core.io.hashing import sha256_file
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.evaluate import evaluate, scalars
from cytopipe.models.files import model_id
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build, count_parameters
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.numbers import Estimate

CPU = torch.device("cpu")
CLASSES = ("a", "b", "c")


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    """Nine test images of three classes in three groups, and training rows that must be ignored."""
    folder = tmp_path / "tensors"
    folder.mkdir()
    items = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 5), dtype=np.uint8)
    np.save(folder / "test.npy", items)
    rows = [
        Row(f"{i:02}", "", CLASSES[i % 3], i % 3, "test" if i < 9 else "train", f"g{i // 2}", 32, 32, "0" * 64)
        for i in range(12)
    ]
    write_manifest(folder / "manifest.csv", rows)
    return folder


def model(
    folder: Path, *, classes: tuple[str, ...] = CLASSES, input_size: int = 32, nan: bool = False, decided: bool = True
) -> Path:
    arguments = {"num_classes": len(classes)}
    torch.manual_seed(0)
    network = build("timm/test_resnet", **arguments)
    if nan:
        torch.nn.init.constant_(network.get_parameter("fc.bias"), float("nan"))
    spec = ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments=arguments,
        classes=classes,
        channels="rgb",
        input_size=input_size,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        training_data_sha256="0" * 64,
        decision_rule={"temperature": 2, "confidence_threshold": 0.0} if decided else None,
    )
    save_model(folder, network, spec)
    return folder


def test_every_test_image_is_predicted_once(tensors: Path, tmp_path: Path) -> None:
    found = evaluate(model(tmp_path / "model"), tensors, "d", CPU)
    assert found.truth.tolist() == [0, 1, 2] * 3
    assert found.probabilities.shape == (9, 3)
    assert found.predictions.ids == tuple(f"{i:02}" for i in range(9))
    assert found.predictions.classes == CLASSES
    assert found.details.metrics["accuracy"].value == pytest.approx(found.predictions.correct.mean())
    assert (found.details.images, found.details.groups) == (9, 5)


def test_the_details_say_what_was_tested_and_how(tensors: Path, tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    details = evaluate(folder, tensors, "d", CPU).details
    assert (details.dataset, details.model) == ("d", model_id(folder))
    assert details.architecture == "timm/test_resnet" and details.channels == "rgb"
    assert details.parameters == count_parameters(build("timm/test_resnet", num_classes=3))
    assert details.test_sha256 == sha256_file(tensors / "test.npy")
    assert {name: one.images for name, one in details.per_class.items()} == {"a": 3, "b": 3, "c": 3}
    details.write(tmp_path / "details.json")
    assert ClassifierDetails.read(tmp_path / "details.json").per_class.keys() == details.per_class.keys()


def test_the_headline_is_flat_and_small(tensors: Path, tmp_path: Path) -> None:
    found = evaluate(model(tmp_path / "model"), tensors, "d", CPU)
    assert list(found.headline.root) == ["accuracy", "low", "high", "f1", "auc", "ece"]


def test_only_numbers_reach_the_tracker(tensors: Path, tmp_path: Path) -> None:
    found = evaluate(model(tmp_path / "model"), tensors, "d", CPU)
    of_calibration = {
        f"calibration.{when}.{name}" for when in ("before", "after") for name in ("ece", "brier", "log_loss")
    }
    of_selection = {f"selective.{name}" for name in ("wanted_error", "coverage", "error", "aurc")}
    assert found.logged.keys() == {"accuracy", "balanced_accuracy", "macro_f1", "auc"} | of_calibration | of_selection
    assert all(type(value) is float for value in found.logged.values())


def test_operating_points_are_logged_by_their_wanted_specificity() -> None:
    points = {"0.9": {"sensitivity": Estimate(value=0.8, low=0.7, high=0.9), "specificity": Estimate(value=None)}}
    assert scalars({"operating_points": points, "images": 3}) == {"operating_points.0.9.sensitivity": 0.8}


def test_plots_are_written_as_tables_and_figures(tensors: Path, tmp_path: Path) -> None:
    found = evaluate(model(tmp_path / "model"), tensors, "d", CPU)
    found.write_plots(tmp_path, tmp_path)
    with (tmp_path / "confusion.csv").open(newline="") as file:
        confusion = [(row["actual"], row["predicted"]) for row in csv.DictReader(file)]
    assert confusion == [(row.label, row.predicted) for row in found.predictions.rows]
    with (tmp_path / "roc.csv").open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(CLASSES)
    names = {"confusion", "roc", "pr", "reliability", "decision", "coverage"}
    assert {file.stem for file in tmp_path.glob("*.png")} == {file.stem for file in tmp_path.glob("*.csv")} == names
    assert (tmp_path / "decision.csv").read_text() == "strategy,threshold,net_benefit\n"


def test_a_model_of_another_size_is_an_error(tensors: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="tensors of 32 px, a model of 64 px"):
        evaluate(model(tmp_path / "model", input_size=64), tensors, "d", CPU)


@pytest.mark.parametrize("classes", [("a", "b"), ("b", "a", "c")])
def test_a_model_of_other_classes_is_an_error(tensors: Path, tmp_path: Path, classes: tuple[str, ...]) -> None:
    with pytest.raises(CytopipeError, match=f"the model knows {', '.join(classes)}; the test split has others"):
        evaluate(model(tmp_path / "model", classes=classes), tensors, "d", CPU)


def test_a_model_that_predicts_nan_is_an_error(tensors: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"9 of 9 predictions are not finite\n.*retrain"):
        evaluate(model(tmp_path / "model", nan=True), tensors, "d", CPU)


def test_the_decision_rule_of_the_model_is_evaluated_on_the_test_split(tensors: Path, tmp_path: Path) -> None:
    details = evaluate(model(tmp_path / "model"), tensors, "d", CPU).details
    assert details.calibration.temperature == (2,)
    assert details.calibration.before != details.calibration.after
    assert details.selective.coverage.value == 1
    accuracy = details.metrics["accuracy"].value
    assert accuracy is not None and details.selective.error.value == pytest.approx(1 - accuracy)
    assert details.operating_points == ()


def test_a_model_without_a_decision_rule_is_an_error(tensors: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"holds no decision rule\n.*train the classifier again"):
        evaluate(model(tmp_path / "model", decided=False), tensors, "d", CPU)
