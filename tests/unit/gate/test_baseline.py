from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.gate import Folder, baseline_of, compare, read_baseline, update
from cytopipe.metrics.registry import gated, of_task
from cytopipe.results.numbers import Estimate
from fixture_types import LeaveResults
from made_results import classifier_details

METRICS = "results/classifiers/masks/details.json"
EXPECTATION = {"value": 1, "low": None, "high": None, "direction": "higher", "tolerance": 0}


def baseline_with(**changes: object) -> str:
    """A baseline of one metric, with these changes."""
    return json.dumps({METRICS: {"test_set": "0" * 64, "metrics": {"auc": EXPECTATION | changes}}})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "empty"),
        ("[]", "not a baseline"),
        ("{", "not a baseline"),
        (baseline_with(direction="up"), f"{METRICS} metrics auc direction"),
        (baseline_with(tolerance=-1), f"{METRICS} metrics auc tolerance"),
        (baseline_with(tolerance=None), f"{METRICS} metrics auc tolerance"),
        (baseline_with(unit="m"), f"{METRICS} metrics auc unit"),
        (baseline_with(value=float("nan")), "not a baseline"),
        (baseline_with(low="x"), f"{METRICS} metrics auc low"),
        (json.dumps({METRICS: {"test_set": "0" * 64, "metrics": {}}}), f"{METRICS} metrics"),
        (json.dumps({METRICS: {"test_set": "?", "metrics": {"auc": EXPECTATION}}}), f"{METRICS} test_set"),
        (json.dumps({f"{METRICS}:auc": {"value": 1, "direction": "higher", "tolerance": 0}}), "test_set"),
    ],
)
def test_a_faulty_baseline_is_refused_and_says_why(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(content)
    with pytest.raises(CytopipeError, match=words):
        read_baseline(file)


def test_a_missing_baseline_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="gate --update"):
        read_baseline(tmp_path / "none.json")


def test_a_new_baseline_contains_the_gated_metrics_with_intervals_and_test_images(
    tmp_path: Path, leave_results: LeaveResults
) -> None:
    metrics = json.loads(leave_results(tmp_path, [3, 4] * 5).read_text())
    leave_results(tmp_path, dice=[0.5, 0.7] * 20, name="unet")
    leave_results(tmp_path, [4] * 10, name="failed").write_text('{"accuracy": null}')
    file = tmp_path / "baselines/new.json"
    update(tmp_path, file, tolerance=0.05)
    written: dict[str, Any] = json.loads(file.read_text())
    assert list(written) == [METRICS, "results/segmenters/unet/details.json"]
    assert list(written[METRICS]["metrics"]) == [metric.key for metric in of_task("classification")]
    assert {"ece", "brier", "log_loss"} < written[METRICS]["metrics"].keys()
    assert written[METRICS]["metrics"]["accuracy"] == {
        "value": 0.875,
        "low": metrics["metrics"]["accuracy"]["low"],
        "high": metrics["metrics"]["accuracy"]["high"],
        "direction": "higher",
        "tolerance": 0.05,
    }
    dice = written["results/segmenters/unet/details.json"]["metrics"]
    assert dice == {"dice_cell": {**dice["dice_cell"], "value": 0.6, "direction": "higher", "tolerance": 0.05}}
    assert {
        check.verdict for check in compare(Folder(tmp_path), read_baseline(file)) if "failed" not in check.file
    } == {"ok"}


def test_an_update_changes_values_and_images_and_keeps_metrics_directions_and_tolerances(
    tmp_path: Path, leave_results: LeaveResults
) -> None:
    file = tmp_path / "baseline.json"
    leave_results(tmp_path, [4] * 10)
    kept = {"value": 0.5, "low": None, "high": None, "direction": "lower", "tolerance": 0.1}
    file.write_text(json.dumps({METRICS: {"test_set": "0" * 64, "metrics": {"calibration.after.ece": kept}}}))
    assert compare(Folder(tmp_path), read_baseline(file))[0].verdict == "other test images"
    leave_results(tmp_path, [4] * 10, name="new")
    moved = update(tmp_path, file, tolerance=0.02)
    assert moved[METRICS].metrics.keys() == {"calibration.after.ece"}
    assert moved[METRICS].metrics["calibration.after.ece"].model_dump() == kept | {
        "value": 0.4, "low": 0.05, "high": 0.8,
    }  # fmt: skip
    assert moved["results/classifiers/new/details.json"].metrics["auc"].tolerance == 0.02
    assert {check.verdict for check in compare(Folder(tmp_path), read_baseline(file))} == {"ok"}


def test_an_update_without_numbers_or_images_changes_nothing(tmp_path: Path, leave_results: LeaveResults) -> None:
    file = tmp_path / "baseline.json"
    metrics = leave_results(tmp_path, [4] * 10)
    update(tmp_path, file, 0.02)
    before = file.read_bytes()
    for content in ('{"accuracy": null}', "{}"):
        metrics.write_text(content)
        with pytest.raises(CytopipeError, match="accuracy"):
            update(tmp_path, file, 0.02)
    leave_results(tmp_path, [4] * 10)
    (tmp_path / "data/organized/cells/manifest.csv").unlink()
    with pytest.raises(CytopipeError, match=r"manifest\.csv of this run: no such file"):
        update(tmp_path, file, 0.02)
    assert file.read_bytes() == before


def test_an_update_without_results_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="dvc repro"):
        update(tmp_path, tmp_path / "baseline.json", 0.02)
    assert list(tmp_path.iterdir()) == []


def test_the_interval_of_a_classifier_without_groups_is_none(tmp_path: Path, leave_results: LeaveResults) -> None:
    metrics = leave_results(tmp_path, [4] * 10)
    classifier_details(dataset="cells", metrics={"accuracy": Estimate(value=1.0)}).write(metrics)
    expected = baseline_of(Folder(tmp_path), 0.02)[METRICS].metrics["accuracy"]
    assert (expected.low, expected.high) == (None, None)


def test_tolerances_are_those_of_the_registry_unless_told_otherwise(
    tmp_path: Path, leave_results: LeaveResults
) -> None:
    leave_results(tmp_path, [4] * 10)
    expected = baseline_of(Folder(tmp_path))[METRICS].metrics
    assert {key: (one.tolerance, one.direction) for key, one in expected.items()} == {
        metric.key: (metric.tolerance, metric.direction)
        for metric in gated("classification")
        if metric.task == "classification"
    }
