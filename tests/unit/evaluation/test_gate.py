from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.gate import (
    Check,
    Expectation,
    compare,
    measured,
    read_baseline,
    to_markdown,
    uncovered,
    update,
)

METRICS = Path("results/classifiers/masks/metrics.json")


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def verdict(root: Path, now: object, value: float = 0.9, direction: str = "higher", tolerance: float = 0.02) -> Check:
    """The gate's word on an accuracy that was `value` and is `now`."""
    write(root / METRICS, {"accuracy": now})
    expected = Expectation(value=value, direction=direction, tolerance=tolerance)
    return compare(root, {f"{METRICS}:accuracy": expected})[0]


@pytest.mark.parametrize(
    ("now", "direction", "word"),
    [
        (0.9, "higher", "ok"),
        (0.89, "higher", "ok"),
        (0.88, "higher", "ok"),  # a drop of exactly the tolerance
        (0.879, "higher", "worse"),
        (0.91, "higher", "ok"),
        (0.93, "higher", "better"),
        (0.879, "lower", "better"),
        (0.921, "lower", "worse"),
        (1, "lower", "worse"),
    ],
)
def test_a_drop_beyond_the_tolerance_fails_in_the_direction_that_counts(
    tmp_path: Path, now: float, direction: str, word: str
) -> None:
    check = verdict(tmp_path, now, direction=direction)
    assert check.verdict == word
    assert check.passed == (word != "worse")


def test_without_tolerance_any_drop_fails(tmp_path: Path) -> None:
    assert verdict(tmp_path, 0.9, tolerance=0).passed
    assert not verdict(tmp_path, 0.899999, tolerance=0).passed


@pytest.mark.parametrize("now", [None, math.nan, math.inf, -math.inf, "0.9", True, [0.9], {"value": 0.9}])
def test_what_is_no_finite_number_fails(tmp_path: Path, now: object) -> None:
    check = verdict(tmp_path, now)
    assert (check.passed, check.now, check.verdict) == (False, None, "not a number")


def test_a_missing_metric_file_and_broken_json_fail(tmp_path: Path) -> None:
    write(tmp_path / METRICS, {"auc": 0.9, "interval": {"auc": {"low": 0.8}}})
    (tmp_path / "broken.json").write_text('{"accuracy": 0.')
    assert measured(tmp_path, f"{METRICS}:accuracy") == "no such metric"
    assert measured(tmp_path, f"{METRICS}:auc.low") == "no such metric"
    assert measured(tmp_path, "results/none.json:accuracy") == "no such file"
    assert measured(tmp_path, "broken.json:accuracy") == "unreadable file"
    assert measured(tmp_path, f"{METRICS}:interval.auc.low") == 0.8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "empty"),
        ("[]", "not a baseline"),
        ("{", "not a baseline"),
        ('{"a:b": {"value": 1, "direction": "up", "tolerance": 0}}', "a:b direction"),
        ('{"a:b": {"value": 1, "direction": "higher"}}', "a:b tolerance"),
        ('{"a:b": {"value": 1, "direction": "higher", "tolerance": -1}}', "a:b tolerance"),
        ('{"a:b": {"value": 1, "direction": "higher", "tolerance": 0, "unit": "m"}}', "a:b unit"),
        ('{"a:b": {"value": NaN, "direction": "higher", "tolerance": 0}}', "not a baseline"),
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


def test_a_new_baseline_holds_the_headline_metrics_of_every_model(tmp_path: Path) -> None:
    write(tmp_path / METRICS, {"accuracy": 0.9, "auc": None, "interval": {"accuracy": {"low": 0.8}}, "images": 12})
    write(tmp_path / "results/segmenters/unet/metrics.json", {"dice_cell": 0.97, "iou_cell": 0.94})
    file = tmp_path / "baselines/new.json"
    update(tmp_path, file, tolerance=0.05)
    assert json.loads(file.read_text()) == {
        f"{METRICS}:accuracy": {"value": 0.9, "direction": "higher", "tolerance": 0.05},
        "results/segmenters/unet/metrics.json:dice_cell": {"value": 0.97, "direction": "higher", "tolerance": 0.05},
    }
    assert all(check.verdict == "ok" for check in compare(tmp_path, read_baseline(file)))


def test_an_update_moves_values_and_keeps_directions_tolerances_and_chosen_metrics(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, {f"{METRICS}:loss": {"value": 0.5, "direction": "lower", "tolerance": 0.1}})
    write(tmp_path / METRICS, {"loss": 0.4, "accuracy": 0.9})
    write(tmp_path / "results/classifiers/new/metrics.json", {"accuracy": 0.7})
    update(tmp_path, file, tolerance=0.02)
    assert json.loads(file.read_text()) == {
        f"{METRICS}:loss": {"value": 0.4, "direction": "lower", "tolerance": 0.1},
        "results/classifiers/new/metrics.json:accuracy": {"value": 0.7, "direction": "higher", "tolerance": 0.02},
    }


def test_an_update_without_a_number_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    write(file, {f"{METRICS}:accuracy": {"value": 0.5, "direction": "higher", "tolerance": 0.1}})
    before = file.read_bytes()
    for content in ({"accuracy": None}, {}):
        write(tmp_path / METRICS, content)
        with pytest.raises(CytopipeError, match="accuracy"):
            update(tmp_path, file, 0.02)
        assert file.read_bytes() == before


def test_an_update_without_results_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="dvc repro"):
        update(tmp_path, tmp_path / "baseline.json", 0.02)
    assert list(tmp_path.iterdir()) == []


def test_results_that_no_baseline_covers_are_named(tmp_path: Path) -> None:
    write(tmp_path / METRICS, {"accuracy": 0.9})
    write(tmp_path / "results/classifiers/new/metrics.json", {"accuracy": 0.7})
    assert uncovered(tmp_path, {f"{METRICS}:auc": None}) == ["results/classifiers/new/metrics.json"]


def test_the_table_shows_metric_baseline_now_change_and_verdict() -> None:
    expected = Expectation(value=0.9, direction="higher", tolerance=0.02)
    lines = to_markdown([Check("a:accuracy", expected, 0.8, "worse"), Check("b:auc", expected, None, "no such file")])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    assert cells[0] == ["metric", "baseline", "now", "change", "tolerance", "verdict"]
    assert cells[2] == ["a:accuracy", "0.9", "0.8", "-0.1", "0.02", "**worse**"]
    assert cells[3] == ["b:auc", "0.9", "-", "-", "0.02", "**no such file**"]
