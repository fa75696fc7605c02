"""Every undefined number of an evaluation has a reason."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.evaluation.classifier.undefined_metrics import undefined_metrics, why_no_operating_point
from cytopipe.results.model_spec import DecisionRule, Threshold

CLASSES = ("a", "b", "c")
THRESHOLDS = (Threshold(specificity=0.9, score=0.5),)
SURE = 0.1


def decided(*abnormal: str, thresholds: tuple[Threshold, ...] = THRESHOLDS) -> list[DecisionRule]:
    return [DecisionRule(temperature=1, confidence_threshold=0.5, abnormal=abnormal, thresholds=thresholds)]


def test_without_undefined_numbers_there_is_no_reason() -> None:
    each = np.array([0, 1, 2, 0, 1])
    assert undefined_metrics(each, each, list("ghijk"), CLASSES, decided("b"), SURE) == {}


def test_each_null_has_its_reason() -> None:
    truth, predicted = np.array([0, 0]), np.array([0, 1])
    assert undefined_metrics(truth, predicted, ["g", "g"], CLASSES, decided("c"), None) == {
        "auc": "no test image of b, c",
        "recall": "no test image of b, c",
        "precision": "never predicted: c",
        "interval": "one group counts: under 5, no interval is claimed",
        "selective.error": "no test image is sure enough",
        "operating_points": "all test images are normal",
    }
    assert undefined_metrics(truth, truth, ["g", "h"], ["a"], decided("a"), SURE)["auc"] == "there is but one class"


@pytest.mark.parametrize(
    ("truth", "decisions", "why"),
    [
        ([0, 1], decided(thresholds=()), "no class counts as normal"),
        ([0, 1], decided("a", thresholds=()), "validation images"),
        ([0, 0], decided("a"), "all test images are abnormal"),
        ([1, 2], decided("a"), "all test images are normal"),
        ([1, 2], decided("a", thresholds=()), "all test images are normal"),  # what leaves the curve empty
    ],
)
def test_the_reason_for_undefined_sensitivity(truth: list[int], decisions: list[DecisionRule], why: str) -> None:
    assert why in why_no_operating_point(np.array(truth), CLASSES, decisions)
