from __future__ import annotations

import json
from pathlib import Path

import pytest

from cytopipe.metrics.registry import of_task
from cytopipe.results.numbers import Estimate
from fixture_types import Cytopipe, LeaveResults
from made_results import classifier_details

BASELINE = Path("tests/baselines/tiny.json")

GATED = sum(one.gated for one in of_task("classification"))


@pytest.fixture
def metrics(project: Path, cytopipe: Cytopipe, leave_results: LeaveResults) -> Path:
    """details.json of a classifier with an accuracy of 0.75, whose values are the baseline."""
    (project / "params.yaml").unlink()
    file = leave_results(project, [3] * 10)
    assert cytopipe("gate", "--update", "--tolerance", "0.1").exit_code == 0
    return file


def test_unchanged_metrics_pass(metrics: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert result.stdout.startswith("### Metrics against `tests/baselines/tiny.json`: passed\n")
    assert result.stdout.count(" ok ") == GATED
    assert result.stderr == ""


def test_a_planted_regression_fails_and_an_improvement_passes(
    metrics: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    leave_results(Path(), [1] * 10)
    result = cytopipe("gate")
    assert result.exit_code == 1
    assert "accuracy" in result.stdout and "-0.5000" in result.stdout and "**worse**" in result.stdout
    assert "4 of 7 metrics failed" in result.stderr
    leave_results(Path(), [4] * 10)
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert "better" in result.stdout


@pytest.mark.parametrize("content", [None, "{}", '{"metrics": {"accuracy": {"value": NaN}}}', ""])
def test_what_is_missing_or_no_number_fails(metrics: Path, cytopipe: Cytopipe, content: str | None) -> None:
    metrics.unlink() if content is None else metrics.write_text(content)
    assert cytopipe("gate").exit_code == 1


def test_only_an_explicit_update_moves_the_baseline(
    metrics: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    before = BASELINE.read_bytes()
    leave_results(Path(), [1] * 10)
    cytopipe("gate")
    assert BASELINE.read_bytes() == before
    assert cytopipe("gate", "--update").exit_code == 0
    assert cytopipe("gate").exit_code == 0
    moved = json.loads(BASELINE.read_text())["results/classifiers/masks/details.json"]["metrics"]["accuracy"]
    assert moved == {"value": 0.25, "low": 0.127346, "high": 0.432272, "direction": "higher", "tolerance": 0.1}


def test_other_test_images_fail_until_they_are_taken(
    metrics: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    leave_results(Path(), [4] * 10, pixels="b")
    result = cytopipe("gate")
    assert result.exit_code == 1
    assert "changed: numbers cannot be compared; `cytopipe gate --update` if that is intended" in result.stdout
    assert cytopipe("gate", "--update").exit_code == 0
    assert cytopipe("gate").exit_code == 0


def test_results_without_a_baseline_are_listed_and_pass(
    metrics: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    leave_results(Path(), [1] * 10, name="fresh")
    result = cytopipe("gate")
    assert result.exit_code == 0
    assert result.stdout.count("classifiers/fresh: ") == result.stdout.count(" new ") == GATED


def test_json_is_for_machines(metrics: Path, cytopipe: Cytopipe) -> None:
    found = json.loads(cytopipe("gate", "--json").stdout)
    assert found["passed"] and len(found["checks"]) == GATED
    details = classifier_details(dataset="cells", metrics={"accuracy": Estimate(value=None)})
    details.write(metrics)
    result = cytopipe("gate", "--json")
    assert result.exit_code == 1
    found = {check["metric"]: check["verdict"] for check in json.loads(result.stdout)["checks"]}
    assert (found["accuracy"], found["auc"], found["ece"]) == ("not a number", "no such metric", "ok")


def test_another_baseline_can_be_named(metrics: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("gate", "--baseline", "none.json")
    assert result.exit_code == 1
    assert "none.json: no such baseline" in result.stderr
    BASELINE.rename("other.json")
    assert cytopipe("gate", "--baseline", "other.json").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--rev", "main", "--update"),
        ("--rev", "main", "--baseline", "tests/baselines/tiny.json"),
        ("--rev", ""),
        ("--update", "--json"),
        ("--tolerance", "0.1"),
        ("--rev", "main", "--tolerance", "-1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(metrics: Path, cytopipe: Cytopipe, options: tuple[str]) -> None:
    result = cytopipe("gate", *options)
    assert result.exit_code == 1
    assert "Error" in result.stderr and result.stdout == ""
