"""Thresholds for the sensitivity of groups: known numbers, ties, and drawn cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from cytopipe.errors import CytopipeError
from cytopipe.metrics.risk_control import (
    GroupScore,
    group_scores,
    needed_positives,
    threshold_for_sensitivity,
    why_no_threshold,
)


@pytest.mark.parametrize(
    ("sensitivity", "confidence", "needed"),
    [(0.95, 0.95, 59), (0.9, 0.95, 29), (0.99, 0.95, 299), (0.95, None, 19), (0.9, None, 9), (0.5, 0.5, 5)],
)
def test_a_sensitivity_needs_so_many_abnormal_groups(sensitivity: float, confidence: float | None, needed: int) -> None:
    assert needed_positives(sensitivity, confidence) == needed
    scores, normal = np.linspace(0.2, 0.9, needed), np.full(100, 0.1)
    positive = np.arange(needed + 100) < needed
    both = np.concatenate([scores, normal])
    found = threshold_for_sensitivity(both, positive, sensitivity, confidence)
    assert found is not None and found >= 0.2
    assert threshold_for_sensitivity(both[1:], positive[1:], sensitivity, confidence) is None
    assert not why_no_threshold(needed, sensitivity, confidence)
    assert f"needs {needed} abnormal groups" in why_no_threshold(needed - 1, sensitivity, confidence)


def test_few_groups_are_told_in_words() -> None:
    assert why_no_threshold(8, 0.95, 0.95) == (
        "a sensitivity of 95 % with 95 % confidence needs 59 abnormal groups to calibrate with, and there are 8"
    )
    assert "on average needs 19" in why_no_threshold(1, 0.95, None)


@pytest.mark.parametrize("positives", [59, 92, 93, 150, 400])
def test_the_threshold_is_the_exact_binomial_bound(positives: int) -> None:
    """As many may be missed as keep the bound of Clopper and Pearson at the sensitivity, and no more."""
    scores = np.arange(positives, dtype=float)
    threshold = threshold_for_sensitivity(scores, np.ones(positives, bool), 0.95, 0.95)
    assert threshold is not None

    def bound(missed: float) -> float:
        return float(beta.ppf(0.05, positives - missed, missed + 1))

    assert bound(threshold) >= 0.95 > bound(threshold + 1)


def test_on_average_the_share_missed_is_that_of_conformal_risk_control() -> None:
    scores = np.arange(99, dtype=float)
    assert threshold_for_sensitivity(scores, np.ones(99, bool), 0.95, None) == 4  # the fifth of a hundred


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(CytopipeError, match="not finite"):
        threshold_for_sensitivity(np.array([np.inf]), np.array([True]), 0.9)


@pytest.mark.parametrize(("how", "expected"), [("max", [0.9, 0.2]), ("mean", [0.5, 0.2])])
def test_a_group_has_one_score(how: GroupScore, expected: list[float]) -> None:
    assert group_scores(np.array([0.1, 0.2, 0.9]), ["a", "b", "a"], how) == pytest.approx(expected)
    assert not len(group_scores(np.zeros(0), [], how))


def test_the_sensitivity_holds_in_drawn_cohorts_with_ties() -> None:
    rng = np.random.default_rng(2)
    for places in (2, 12):  # scores of patients, rounded so that many are tied, or not
        reached = {0.95: list[float](), None: list[float]()}
        population = np.sort(rng.normal(size=100_000).round(places))
        for _ in range(600):
            scores = rng.normal(size=80).round(places)
            for confidence, found in reached.items():
                threshold = threshold_for_sensitivity(scores, np.ones(80, bool), 0.95, confidence)
                assert threshold is not None
                found.append(1 - np.searchsorted(population, threshold) / len(population))
        assert np.mean(np.array(reached[0.95]) >= 0.95) >= 0.94
        assert np.mean(reached[None]) >= 0.948
