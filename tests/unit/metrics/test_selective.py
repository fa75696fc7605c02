"""Accuracy by coverage, with ties, compared with values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.selective import area_under_risk_coverage, at_threshold, coverage_rows, threshold_for_error

TRUTH = np.array([0, 0, 1, 0])
# Confidences .9 (right), .8 (wrong), .7 (right), .6 (right).
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
TIED = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])


def test_every_possible_coverage_has_its_accuracy() -> None:
    rows = coverage_rows(TRUTH, PROBABILITIES)
    assert [row["coverage"] for row in rows] == [0.25, 0.5, 0.75, 1]
    assert [row["accuracy"] for row in rows] == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])


def test_images_of_equal_confidence_are_kept_together_whatever_their_order() -> None:
    assert coverage_rows(TRUTH, TIED) == [{"threshold": 0.9, "coverage": 1, "accuracy": 0.75}]
    turned = np.array([2, 3, 0, 1])
    assert area_under_risk_coverage(TRUTH, TIED) == area_under_risk_coverage(TRUTH[turned], TIED[turned]) == 0.25


def test_the_area_is_the_mean_error_over_coverages() -> None:
    assert area_under_risk_coverage(TRUTH, PROBABILITIES) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert area_under_risk_coverage(np.array([0, 1, 1, 0]), PROBABILITIES) == 0


def test_the_lowest_threshold_with_few_enough_errors() -> None:
    assert threshold_for_error(TRUTH, PROBABILITIES, 0.25) == 0.6
    assert threshold_for_error(TRUTH, PROBABILITIES, 0.2) == 0.9
    assert threshold_for_error(1 - TRUTH[:1], PROBABILITIES[:1], 0.2) is None


def test_coverage_and_error_at_a_threshold_on_another_set() -> None:
    assert at_threshold(TRUTH, PROBABILITIES, 0.75) == {"coverage": 0.5, "error": 0.5}
    assert at_threshold(TRUTH, PROBABILITIES, np.inf) == {"coverage": 0, "error": None}
    assert at_threshold(TRUTH, PROBABILITIES, np.array([1, 0.9, 0.7, 0.6])) == {"coverage": 0.5, "error": 0}
