"""Sets of classes where a model is used: prediction, table, command, page and MLflow; absent without a guarantee."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cytopipe.app import cell, render
from cytopipe.deploy.mlflow.classifier import CellClassifier
from cytopipe.deploy.mlflow.columns import columns
from cytopipe.deploy.onnx.classifier import metadata
from cytopipe.models.decision_rule import calibrate, rule_of
from cytopipe.models.guarantees import has_sets
from cytopipe.models.inference.image_files import FilePredictor
from cytopipe.models.inference.predictor import Predictor
from fixture_types import Cytopipe, SaveClassifier, SaveImage

CPU = torch.device("cpu")
SETS = {"coverage": 0.9, "groups": 12, "images": 40, "least": 0.4, "least_by_images": 0.5}
WITHHELD = {"coverage": 0.9, "groups": 3, "images": 9, "withheld": "too few groups"}


@pytest.fixture
def image(tmp_path: Path, save_image: SaveImage) -> Path:
    save_image(tmp_path / "cell.png", 1, (20, 31))
    return tmp_path / "cell.png"


@pytest.fixture
def promised(tmp_path: Path, save_classifier: SaveClassifier) -> Path:
    return save_classifier(tmp_path / "model", guarantees={"sets": SETS})


def test_the_command_names_the_classes_that_reach_the_threshold(
    promised: Path, image: Path, cytopipe: Cytopipe
) -> None:
    (row,) = csv.DictReader(io.StringIO(cytopipe("predict", promised, image).stdout, newline=""))
    predictor = Predictor.load(promised, CPU)
    shares = calibrate(predictor.rule, np.array([[float(row["p_bad"]), float(row["p_good"])]]))[0]
    expected = [label for share, label in sorted(zip(shares, ("bad", "good"), strict=True))[::-1] if share >= 0.4]
    assert row["class_set"] == "|".join(expected)
    assert list(row)[-5:] == ["abnormal", "class_set", "sha256", "model", "error"]


@pytest.mark.parametrize("guarantees", [None, {"sets": WITHHELD}])
def test_without_a_guarantee_there_is_no_column(
    guarantees: object, tmp_path: Path, image: Path, save_classifier: SaveClassifier
) -> None:
    predictor = Predictor.load(save_classifier(tmp_path / "model", guarantees=guarantees), CPU)
    assert not has_sets(predictor.spec)
    assert "class_set" not in FilePredictor(predictor, "m").columns
    assert "class_set" not in CellClassifier(predictor).columns
    assert "guarantee" not in render.cell(cell.classify_cell(predictor, image, None), "cell.png", None)


def test_mlflow_and_the_page_give_the_same_set(promised: Path, image: Path) -> None:
    predictor = Predictor.load(promised, CPU)
    ((row,), _) = next(FilePredictor(predictor, "m")([str(image)]))
    served = CellClassifier(predictor).predict(pd.DataFrame({"image": [image.read_bytes()]})).iloc[0]
    assert served["class_set"] == row["class_set"] and row["class_set"]
    assert list(served.index) == list(columns(("bad", "good"), True, has_sets=True))
    html = " ".join(render.cell(cell.classify_cell(predictor, image, None), "cell.png", None).split())
    names = ", ".join(row["class_set"].split("|"))
    assert f"by a guarantee of 90 % for images of new groups like those of the training: {names}." in html


def test_an_exported_graph_says_how_sets_are_made(promised: Path) -> None:
    spec = Predictor.load(promised, CPU).spec
    assert json.loads(metadata(spec, rule_of(spec))["class_set"]) == {"coverage": 0.9, "least": 0.4}
    assert "class_set" not in metadata(spec.model_copy(update={"guarantees": None}), rule_of(spec))
