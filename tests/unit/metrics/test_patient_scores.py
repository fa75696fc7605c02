from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cytopipe.metrics.intervals import Measured
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.patient_scores import measure_groups


def test_numbers_and_intervals_of_independent_groups() -> None:
    rng = np.random.default_rng(1)
    abnormal = rng.random(40) < 0.5
    odds = rng.normal(size=40) + 1.5 * abnormal
    found = measure_groups(odds, abnormal, odds > 0.7)
    assert found["auc"].value == pytest.approx(roc_auc_score(abnormal, odds))
    assert found["auc"].low is not None and found["auc"].low < roc_auc_score(abnormal, odds)
    hits = int((odds > 0.7)[abnormal].sum())
    limits = wilson(hits, int(abnormal.sum()))
    assert limits is not None
    assert found["sensitivity"] == Measured(hits / abnormal.sum(), limits["low"], limits["high"])


def test_under_five_groups_of_a_class_no_interval_is_claimed() -> None:
    abnormal = np.array([True] * 4 + [False] * 9)
    found = measure_groups(np.arange(13.0)[::-1], abnormal, abnormal)
    assert found["auc"].value == 1 and found["auc"].low is None
    assert "4 abnormal and 9 normal groups" in found["auc"].withheld
    assert "4 abnormal groups" in found["sensitivity"].withheld
    assert found["specificity"].low is not None
    assert measure_groups(np.arange(13.0), abnormal, None)["specificity"] == Measured(None)
