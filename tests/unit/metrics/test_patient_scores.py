from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cytopipe.metrics.intervals import Measured
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.patient_scores import area_with_limits, measure_groups
from cytopipe.metrics.scores import binary_auc


def test_numbers_and_intervals_of_independent_groups() -> None:
    rng = np.random.default_rng(1)
    abnormal = rng.random(40) < 0.5
    odds = rng.normal(size=40) + 1.5 * abnormal
    found = measure_groups(odds, abnormal, odds > 0.7)
    assert found["auc"].value == pytest.approx(roc_auc_score(abnormal, odds))
    hits = int((odds > 0.7)[abnormal].sum())
    limits = wilson(hits, int(abnormal.sum()))
    assert limits is not None
    assert found["sensitivity"] == Measured(hits / abnormal.sum(), limits["low"], limits["high"])
    assert found["brier"].low is not None and found["brier"].high is not None


def test_under_five_groups_of_a_class_no_interval_is_claimed() -> None:
    abnormal = np.array([True] * 4 + [False] * 9)
    found = measure_groups(np.arange(13.0)[::-1], abnormal, abnormal)
    assert found["auc"].value == 1 and found["auc"].low is None
    assert "4 abnormal and 9 normal groups" in found["auc"].withheld
    assert "4 abnormal groups" in found["sensitivity"].withheld
    assert found["specificity"].low is not None
    assert measure_groups(np.arange(13.0), abnormal, None)["specificity"] == Measured(None)


def test_a_perfect_order_of_few_groups_is_no_proof() -> None:
    found = area_with_limits(np.arange(30.0), np.arange(30) >= 18)
    assert found.low == pytest.approx(0.859, abs=0.001) and found.high == 1.0


@pytest.mark.parametrize(("abnormal", "normal", "area"), [(12, 18, 0.9), (12, 18, 0.97), (50, 50, 0.99)])
def test_intervals_of_areas_hold_the_truth(abnormal: int, normal: int, area: float) -> None:
    rng, truth = np.random.default_rng(0), np.arange(abnormal + normal) < abnormal
    held = 0
    for _ in range(300):
        found = area_with_limits(rng.normal(size=len(truth)) + norm.ppf(area) * 2**0.5 * truth, truth)
        assert found.low is not None and found.high is not None
        held += found.low <= area <= found.high
    assert held >= 0.94 * 300


def test_area_is_that_of_all_pairs() -> None:
    known, others = np.array([0.0, 1.0, 1.0, 3.0]), np.array([1.0, 2.0, 4.0])
    pairs = others[:, None] - known
    kinds = np.repeat([False, True], [len(known), len(others)])
    assert binary_auc(np.concatenate([known, others]), kinds) == pytest.approx(
        ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    )
