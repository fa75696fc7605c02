"""The simulation of coverage, with few draws and a fixed seed; docs/coverage.json holds that with many."""

from __future__ import annotations

import numpy as np
import pytest

from coverage import KINDS, Case, covered, false_alarms, true_f1
from cytopipe.metrics.scores import macro_f1

CASES = [
    Case("accuracy", 10, 40, 0.12, 0.965),
    Case("sensitivity", 15, 20, 0.1, prevalence=0.3),
    Case("AUC", 10, 20, 0.1, prevalence=0.5),
    Case("macro F1", 10, 20, 0.1, 0.85),
    Case("Dice", 10, 20, 0.3),
    Case("Hausdorff distance", 10, 20, 0.3),
]


@pytest.mark.parametrize("case", CASES, ids=[case.metric for case in CASES])
def test_intervals_cover_what_they_promise(case: Case) -> None:
    """200 draws have a Monte-Carlo error of .015 at .95."""
    found = covered(case, 200)
    assert 0.89 <= found.coverage <= 1 and found.withheld == 0
    assert found.coverage > found.bootstrap_coverage


def test_every_kind_is_tested_here() -> None:
    assert {case.metric for case in CASES} == set(KINDS)


def test_the_true_macro_f1_is_that_of_many_images() -> None:
    rng, case = np.random.default_rng(0), Case("macro F1", 10, 20, 0.1, 0.85)
    truth = rng.choice(3, 400_000, p=(0.5, 0.3, 0.2))
    predicted = np.where(rng.random(len(truth)) < 0.85, truth, (truth + rng.integers(1, 3, len(truth))) % 3)
    assert macro_f1(truth, np.eye(3)[predicted]) == pytest.approx(true_f1(case), abs=0.003)


def test_the_test_of_equal_classifiers_keeps_its_level_and_the_bootstrap_does_not() -> None:
    found = false_alarms(5, 40, 0.1, 300)
    assert found["cluster_t"] <= 0.09 < found["bootstrap"]
