"""A metric needs only an entry and a function to be measured, ranked, gated and shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.evaluation.comparison.leaderboard import to_markdown
from cytopipe.gate import Folder, baseline_of
from cytopipe.metrics import registry
from cytopipe.metrics.registry import METRICS, Metric
from cytopipe.report.build import build_report
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.headline import MOST, Headline
from cytopipe.results.leaderboard import Leaderboard
from made_project import make_project

LeaveResults = Callable[..., Path]


def quarter(truth: np.ndarray, probabilities: np.ndarray) -> float:
    return 0.25


TOY = Metric(
    "toy",
    "toy score",
    "classification",
    "always a quarter",
    function=quarter,
    column="toy",
    ranked=True,
    gated=True,
    tolerance=0.07,
)


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry with an additional entry."""
    monkeypatch.setattr(registry, "METRICS", (*METRICS, TOY))


def test_keys_are_unique_and_columns_are_few() -> None:
    assert len({metric.key for metric in METRICS}) == len(METRICS)
    for task in registry.TASKS.values():
        names = [metric.column for metric in registry.displayed(task)]
        assert len(set(names)) == len(names) <= MOST - 2  # two are the limits of the leading metric
        assert registry.of_task(task)[0].column


def test_every_metric_says_what_it_is_and_how_its_interval_is_made() -> None:
    assert all(metric.definition and metric.method for metric in METRICS)
    per_patient = {one.column: one.method for one in registry.of_task("patients")}
    assert per_patient == {
        "patient_auc": "Newcombe 2006, method 5",
        "patient_sensitivity": "Wilson",
        "patient_specificity": "Wilson",
    }
    assert {one.key for one in registry.of_task("patients")} <= {one.key for one in registry.gated("classification")}
    assert "macro one-vs-rest" in (found := {one.key: one.definition for one in METRICS})["auc"]
    assert "0 to 2" in found["brier"]
    assert [one.key for one in METRICS if one.scale is None] == ["ece"]


def test_a_new_metric_is_measured_displayed_and_gated(
    with_toy: None, tmp_path: Path, leave_results: LeaveResults
) -> None:
    details = ClassifierDetails.read(leave_results(tmp_path, [3] * 10))
    toy = details.metrics["toy"]
    assert toy.value == 0.25 and toy.low is not None and toy.high is not None and toy.low < 0.25 < toy.high
    assert Headline.of("classification", details).root["toy"] == 0.25
    (expected,) = baseline_of(Folder(tmp_path)).values()
    assert (expected.metrics["toy"].value, expected.metrics["toy"].tolerance) == (0.25, 0.07)


def test_a_new_metric_appears_in_leaderboard_card_and_report(
    with_toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "| toy score |" in to_markdown(Leaderboard.read(paths.LEADERBOARD_JSON))
    report = build_report(load_params(Path("params.yaml")))
    assert "| toy score " in report.cards["models/first.md"]
    assert (
        '<th scope="row">Toy score <span class="small">always a quarter</span></th>' in report.html
    )  # of the classifier
    assert '<th scope="col" class="num">Toy score</th>' in report.html  # of the ranking
