"""Every metric refuses invalid input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.metrics import calibration, classification, operating_points, selective
from cytopipe.metrics.checks import check_scores

Measure = Callable[[np.ndarray, np.ndarray], object]


def of_abnormal(measure: Callable[[np.ndarray, np.ndarray], object]) -> Measure:
    """Turn a function of abnormality scores into one of truth and probabilities."""
    return lambda truth, probabilities: measure(probabilities[:, 0], truth == 0)


MEASURES: dict[str, Measure] = {
    "metrics": lambda truth, scores: classification.classification_metrics(truth, scores, list("abcd")[: len(truth)]),
    "reliability": calibration.reliability,
    "ece": calibration.expected_calibration_error,
    "brier": calibration.brier_score,
    "log loss": calibration.log_loss,
    "coverage": selective.coverage_rows,
    "aurc": selective.area_under_risk_coverage,
    "threshold for an error": lambda truth, scores: selective.threshold_for_error(truth, scores, 0.1),
    "at a threshold": lambda truth, scores: selective.at_threshold(truth, scores, 0.5),
    "operating point": of_abnormal(
        lambda scores, abnormal: operating_points.operating_point(scores, abnormal, 0.5, list("abcd")[: len(scores)])
    ),
    "precision and recall": of_abnormal(operating_points.precision_recall_rows),
    "net benefit": of_abnormal(operating_points.decision_curve_rows),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_an_error(name: str, value: float) -> None:
    truth, scores = np.array([0, 1, 1]), np.array([[0.9, 0.1], [value, 0.5], [0.2, 0.8]])
    with pytest.raises(CytopipeError, match=r"1 of 3 predictions are not finite\n.*retrain"):
        MEASURES[name](truth, scores)


@pytest.mark.parametrize("name", MEASURES)
def test_no_images_are_an_error(name: str) -> None:
    with pytest.raises(CytopipeError, match="no images"):
        MEASURES[name](np.zeros(0, int), np.zeros((0, 2)))


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    "truth", [np.array([1]), np.array([1, 1, 1]), np.array([0, 1, 0])], ids=["one image", "one class", "ties"]
)
def test_odd_test_sets_have_defined_results(name: str, truth: np.ndarray) -> None:
    found = MEASURES[name](truth, np.full((len(truth), 2), 0.5))
    assert "nan" not in repr(found) and "inf" not in repr(found)


def test_scores_of_one_column_are_counted_by_image() -> None:
    with pytest.raises(CytopipeError, match="2 of 3"):
        check_scores(np.zeros(3), np.array([np.nan, 0.5, -np.inf]))
    check_scores(np.zeros(2), np.array([0.0, 1.0]))
