from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Cytopipe = Callable[..., Result]
BASELINE = Path("tests/baselines/tiny.json")


@pytest.fixture
def metrics(project: Path, cytopipe: Cytopipe) -> Path:
    """metrics.json of a classifier, whose values are the baseline."""
    file = project / "results/classifiers/masks/metrics.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"accuracy": 0.9, "auc": 0.95}')
    assert cytopipe("gate", "--update", "--tolerance", "0.01").exit_code == 0
    return file


def test_unchanged_metrics_pass(metrics: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert result.stdout.startswith("| metric")
    assert result.stdout.count("ok") == 2


def test_a_planted_regression_fails_and_an_improvement_passes(metrics: Path, cytopipe: Cytopipe) -> None:
    metrics.write_text('{"accuracy": 0.88, "auc": 0.95}')
    result = cytopipe("gate")
    assert result.exit_code == 1
    assert "accuracy" in result.stdout and "-0.02" in result.stdout and "**worse**" in result.stdout
    assert "1 of 2 metrics failed" in result.stderr
    metrics.write_text('{"accuracy": 0.92, "auc": 0.95}')
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert "better" in result.stdout


@pytest.mark.parametrize(
    "content", [None, "{}", '{"accuracy": NaN, "auc": 0.95}', '{"accuracy": null, "auc": 0.95}', ""]
)
def test_what_is_missing_or_no_number_fails(metrics: Path, cytopipe: Cytopipe, content: str | None) -> None:
    metrics.unlink() if content is None else metrics.write_text(content)
    assert cytopipe("gate").exit_code == 1


def test_only_an_explicit_update_moves_the_baseline(metrics: Path, cytopipe: Cytopipe) -> None:
    before = BASELINE.read_bytes()
    metrics.write_text('{"accuracy": 0.5, "auc": 0.95}')
    cytopipe("gate")
    assert BASELINE.read_bytes() == before
    assert cytopipe("gate", "--update").exit_code == 0
    assert cytopipe("gate").exit_code == 0
    moved = json.loads(BASELINE.read_text())
    assert moved["results/classifiers/masks/metrics.json:accuracy"] == {
        "value": 0.5, "direction": "higher", "tolerance": 0.01,
    }  # fmt: skip


def test_results_without_a_baseline_are_named_and_pass(metrics: Path, cytopipe: Cytopipe) -> None:
    new = metrics.parent.parent / "new/metrics.json"
    new.parent.mkdir()
    new.write_text('{"accuracy": 0.1}')
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert "not in the baseline: results/classifiers/new/metrics.json" in result.stdout


def test_another_baseline_can_be_named(metrics: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("gate", "--baseline", "none.json")
    assert result.exit_code == 1
    assert "none.json: no such baseline" in result.stderr
    BASELINE.rename("other.json")
    assert cytopipe("gate", "--baseline", "other.json").exit_code == 0
