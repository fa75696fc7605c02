"""Sets of classes over groups: by hand, and in drawn cohorts whose coverage is known."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.metrics.conformal import (
    class_sets,
    group_threshold,
    image_threshold,
    needed_groups,
    why_no_sets,
)

NINE = [f"g{number}" for number in range(9)]


def test_each_group_counts_the_same_whatever_its_images() -> None:
    own = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    alone = group_threshold(own, NINE, 0.5)
    assert alone == 0.5  # the fifth of ten, of which the tenth is the new group
    many = np.concatenate([own, np.full(99, 0.9)])
    assert group_threshold(many, [*NINE, *["g0"] * 99], 0.5) == alone
    assert image_threshold(many, 0.5) == 0.9


def test_a_group_s_images_share_its_weight() -> None:
    # Four halves of a sixth are 2 / 6; with the sixth of the third group, one half of the six is reached.
    own = np.array([0.9, 0.8, 0.85, 0.7, 0.6, 0.1, 0.1])
    groups = ["a", "a", "b", "b", "c", "d", "e"]
    assert group_threshold(own, groups, 0.5) == 0.6


def test_one_image_for_each_group_is_split_conformal_prediction() -> None:
    own = np.random.default_rng(0).random(50)
    for coverage in (0.5, 0.8, 0.9, 0.95):
        one_each = group_threshold(own, [f"{number:02}" for number in range(50)], coverage)
        rank = int(np.ceil(51 * coverage - 1e-9))
        assert one_each == np.sort(own)[::-1][rank - 1] == image_threshold(own, coverage)


@pytest.mark.parametrize(("coverage", "groups"), [(0.5, 5), (0.8, 5), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_a_coverage_needs_so_many_groups(coverage: float, groups: int) -> None:
    assert needed_groups(coverage) == groups
    own = np.linspace(0.1, 0.9, groups)
    names = [str(number) for number in range(groups)]
    assert group_threshold(own, names, coverage) is not None
    assert group_threshold(own[1:], names[1:], coverage) is None
    assert not why_no_sets(groups, coverage)
    assert f"needs {groups} groups" in why_no_sets(groups - 1, coverage)


def test_few_groups_are_told_in_words() -> None:
    assert why_no_sets(8, 0.9) == "a coverage of 90 % needs 9 groups to calibrate with, and there are 8"
    assert why_no_sets(1, 0.9).endswith("and there is 1")
    assert group_threshold(np.zeros(0), [], 0.9) is None


def test_a_set_is_never_empty_and_thresholds_may_differ() -> None:
    shares = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.9, 0.05, 0.05]])
    assert class_sets(shares, 0.3).tolist() == [[True, True, False], [True, True, False], [True, False, False]]
    assert class_sets(shares, 0.95).tolist() == [[True, False, False]] * 3
    assert class_sets(shares, np.array([0.2, 0.5, 0.0])).sum(axis=1).tolist() == [3, 1, 3]


def test_probabilities_that_are_not_finite_are_refused() -> None:
    with pytest.raises(CytopipeError, match="not finite"):
        group_threshold(np.array([np.nan] * 9), NINE, 0.9)


def test_the_sets_keep_their_coverage_in_drawn_cohorts_and_naive_ones_do_not() -> None:
    """Groups of unequal difficulty, of which easy ones have more images; `benchmarks/guarantees.py` has more."""
    rng = np.random.default_rng(1)

    def cohort(groups: int) -> tuple[np.ndarray, np.ndarray]:
        ease = rng.normal(size=groups)
        group = np.repeat(np.arange(groups), np.maximum(1, np.round(8 * np.exp(ease - 0.5))).astype(int))
        return 1 / (1 + np.exp(-(1 + ease[group] + rng.normal(size=len(group))))), group

    own, group = cohort(20_000)
    weight, order = 1 / np.bincount(group)[group], np.argsort(own)
    below = np.concatenate([[0.0], np.cumsum(weight[order])]) / weight.sum()
    ours, naive = list[float](), list[float]()
    for _ in range(400):
        shares, number = cohort(20)
        for reached, least in (
            (ours, group_threshold(shares, number.astype(str).tolist(), 0.9)),
            (naive, image_threshold(shares, 0.9)),
        ):
            assert least is not None
            reached.append(1 - below[np.searchsorted(own[order], least)])
    assert 0.9 <= np.mean(ours) <= 0.95
    assert np.mean(naive) < 0.83
