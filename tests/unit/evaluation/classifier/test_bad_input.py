"""Unusual test sets, from tensors to tables and figures: every number is defined, or null with a reason."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.data.manifest import Row, write_manifest
from cytopipe.evaluation.classifier.evaluate import Evaluation, evaluate
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.numbers import Estimate

CLASSES = ("healthy", "mild", "severe")
DECISIONS = {
    "temperature": 2,
    "confidence_threshold": 0.0,
    "abnormal": ["mild", "severe"],
    "thresholds": [{"specificity": 0.9, "score": 0.5}],
}
TABLES = ("confusion", "coverage", "decision", "pr", "reliability", "roc")


def outcome(
    folder: Path, labels: list[int], groups: str, weight: float = 1.0, bias: tuple[int, ...] = ()
) -> Evaluation:
    """Evaluate a random network, with a scaled and shifted last layer, on random images with these labels."""
    items = np.random.default_rng(0).integers(0, 256, (len(labels), 32, 32, 5), dtype=np.uint8)
    (folder / "tensors").mkdir(parents=True)
    np.save(folder / "tensors/test.npy", items)
    rows = [
        Row(f"{index:02}", "", CLASSES[label], label, "test", group, 32, 32, "0" * 64)
        for index, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]
    write_manifest(folder / "tensors/manifest.csv", rows)
    torch.manual_seed(0)
    network = build("timm/test_resnet", num_classes=3)
    with torch.no_grad():
        network.get_parameter("fc.weight").mul_(weight)
        network.get_parameter("fc.bias").copy_(torch.tensor(bias or (0, 0, 0)))
    spec = ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments={"num_classes": 3},
        classes=CLASSES,
        channels="rgb",
        input_size=32,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        training_data_sha256="0" * 64,
        decision_rule=DECISIONS,
    )
    save_model(folder / "model", network, spec)
    return evaluate(folder / "model", folder / "tensors", "d", torch.device("cpu"))


def written(found: Evaluation, folder: Path) -> dict[str, list[dict[str, str]]]:
    """The tables of all curves, after checking that all numbers are finite and each table has a figure."""
    for part in (found.details.plain, found.headline.plain, found.logged):
        json.dumps(part, allow_nan=False)
    plots = folder / "plots"
    plots.mkdir()
    found.write_plots(plots, plots)
    assert sorted(file.stem for file in plots.glob("*.png")) == list(TABLES)
    tables = {}
    for name in TABLES:
        with (plots / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
        assert "nan" not in (plots / f"{name}.csv").read_text()
    return tables


@pytest.mark.parametrize(("label", "missing"), [(0, "sensitivity"), (2, "specificity")])
def test_images_of_one_class(tmp_path: Path, label: int, missing: str) -> None:
    found = outcome(tmp_path, [label] * 4, "gghh")
    tables = written(found, tmp_path)
    assert tables["roc"] == tables["pr"] == tables["decision"] == []
    assert tables["reliability"] and tables["coverage"]
    (point,) = found.details.operating_points
    assert getattr(point, missing) == found.details.metrics["auc"] == Estimate(value=None)
    assert {"auc", "recall", "operating_points"} <= found.details.undefined.keys()


def test_one_image(tmp_path: Path) -> None:
    found = outcome(tmp_path, [1], "g")
    tables = written(found, tmp_path)
    assert len(tables["confusion"]) == 1 and tables["roc"] == []
    assert {one.low for one in found.details.metrics.values()} == {None}
    assert found.details.calibration.after["ece"].low is found.details.selective.aurc.low is None
    assert "one group" in found.details.undefined["interval"]


def test_a_class_that_is_never_predicted(tmp_path: Path) -> None:
    found = outcome(tmp_path, [0, 1, 2] * 3, "gggghhhhh", bias=(0, 0, -1000))
    tables = written(found, tmp_path)
    severe = found.details.per_class["severe"]
    assert (severe.precision, severe.recall.value, severe.f1.value) == (Estimate(value=None), 0, 0)
    assert severe.recall.withheld == "2 groups count: under 5, no interval is claimed"
    assert found.details.undefined.keys() == {"precision", "interval"}
    assert "severe" in found.details.undefined["precision"]
    assert {row["class"] for row in tables["pr"]} == {*CLASSES, "any abnormal"}


def test_ties_everywhere(tmp_path: Path) -> None:
    found = outcome(tmp_path, [0, 1, 2] * 2, "gghhii", weight=0.0)
    tables = written(found, tmp_path)
    assert found.details.metrics["auc"].value == 0.5
    assert {float(row["precision"]) for row in tables["pr"] if row["class"] == "mild"} == {0.333333}
    curve, chosen = tables["coverage"]
    assert curve["coverage"] == chosen["coverage"] == "1" and chosen["chosen"] == "1"
    assert len(tables["reliability"]) == 2
