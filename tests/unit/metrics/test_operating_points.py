"""Thresholds chosen on one set and evaluated on another, compared with values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics.intervals import Measured
from cytopipe.metrics.operating_points import (
    decision_curve_rows,
    operating_point,
    precision_recall_rows,
    threshold_at_specificity,
    wilson,
)

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
ABNORMAL = np.array([0, 0, 0, 0, 1, 0, 1, 1, 1, 1], bool)


def point_at(scores: np.ndarray, abnormal: np.ndarray, threshold: float) -> tuple[float | None, float | None]:
    found = operating_point(scores, abnormal, threshold, list("abcdefghij")[: len(scores)])
    return found["specificity"].value, found["sensitivity"].value


def test_the_threshold_is_the_lowest_that_keeps_enough_normal_images() -> None:
    threshold = threshold_at_specificity(SCORES, ABNORMAL, 0.8)
    assert 0.4 < threshold <= 0.4000001
    assert point_at(SCORES, ABNORMAL, threshold) == (0.8, 1.0)
    assert point_at(SCORES, ABNORMAL, threshold_at_specificity(SCORES, ABNORMAL, 1.0)) == (1.0, 0.8)


def test_images_with_equal_scores_are_on_the_same_side_of_the_threshold() -> None:
    scores, abnormal = np.full(6, 0.5), np.array([0, 0, 0, 1, 1, 1], bool)
    assert point_at(scores, abnormal, threshold_at_specificity(scores, abnormal, 0.5)) == (1.0, 0.0)


def test_without_abnormal_images_there_is_no_sensitivity() -> None:
    assert point_at(SCORES, np.zeros(10, bool), 0.5) == (0.4, None)


def test_only_groups_with_abnormal_images_count_for_sensitivity() -> None:
    found = operating_point(SCORES, ABNORMAL, 0.75, list("abcdeefghi"))
    assert found["specificity"].low is not None
    assert found["sensitivity"].low is not None and found["sensitivity"].value == 3 / 5
    few = operating_point(SCORES, ABNORMAL, 0.75, list("abcdeeffgg"))["sensitivity"]
    assert few == Measured(3 / 5, withheld="3 groups count: under 5, no interval is claimed")


def test_a_threshold_needs_normal_images_and_finite_scores() -> None:
    with pytest.raises(CytopipeError, match="no normal image"):
        threshold_at_specificity(SCORES, np.ones(10, bool), 0.9)
    with pytest.raises(CytopipeError, match="not finite"):
        threshold_at_specificity(np.array([np.nan, 1]), np.array([False, True]), 0.9)


def test_the_wilson_interval_equals_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3: 81/263, 15/148, 0/20.
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        limits = wilson(successes, trials)
        assert limits is not None
        assert limits == pytest.approx({"low": low, "high": high}, abs=5e-5)
    assert wilson(0, 0) is None


def test_the_precision_recall_curve_equals_that_of_scikit_learn() -> None:
    rows = precision_recall_rows(SCORES, ABNORMAL)
    recall, precision = [row["recall"] for row in rows], [row["precision"] for row in rows]
    assert recall == sorted(recall) and recall[0] == 0 and recall[-1] == 1
    area = np.sum(np.diff(recall) * np.array(precision)[1:])
    assert area == pytest.approx(sk.average_precision_score(ABNORMAL, SCORES))
    assert precision_recall_rows(SCORES, np.zeros(10, bool)) == []


def test_net_benefit_of_acting_on_all_and_of_a_perfect_model() -> None:
    perfect = ABNORMAL.astype(float)
    rows = decision_curve_rows(perfect, ABNORMAL, points=3)
    assert [row["threshold"] for row in rows] == [0.25, 0.5, 0.75]
    assert [row["model"] for row in rows] == [0.5, 0.5, 0.5]
    assert [row["all"] for row in rows] == pytest.approx([0.5 - 0.5 / 3, 0, 0.5 - 1.5])
