"""Paired differences: known answers, other implementations, and a promise kept in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from cytopipe.metrics.paired import paired_difference, paired_jackknife


def test_groups_of_one_image_give_the_one_sample_t_test() -> None:
    difference = np.array([0.0, 1, 1, 0, 1, -1, 1, 1])
    found, expected = paired_difference(difference, list("abcdefgh")), ttest_1samp(difference, 0)
    limits = expected.confidence_interval(0.95)
    assert (found.estimate, found.p) == (difference.mean(), pytest.approx(expected.pvalue))
    assert (found.low, found.high) == (pytest.approx(limits.low), pytest.approx(limits.high))


def test_equal_groups_give_the_t_test_of_their_means() -> None:
    difference = np.array([1.0, 0, 1, 1, 0, 0, 1, 0, -1, 0])
    found = paired_difference(difference, [name for name in "abcde" for _ in range(2)])
    assert found.p == pytest.approx(ttest_1samp(difference.reshape(5, 2).mean(axis=1), 0).pvalue)


def test_a_copied_image_does_not_add_evidence() -> None:
    difference = np.array([1.0, 1, 0, 1, -1, 1])
    once = paired_difference(difference, list("abcdef"))
    tenfold = paired_difference(difference.repeat(10), [name for name in "abcdef" for _ in range(10)])
    assert (once.p, once.low) == (pytest.approx(tenfold.p), pytest.approx(tenfold.low))


def test_nothing_is_claimed_of_fewer_than_five_groups() -> None:
    found = paired_difference(np.array([1.0, 1, 1, 0]), list("abcd"))
    assert (found.estimate, found.low, found.high, found.p, found.at(0.9)) == (0.75, None, None, None, None)


def test_a_difference_without_variation_has_the_p_of_the_sign_test() -> None:
    assert paired_difference(np.zeros(8), list("abcdefgh")).p == 1
    assert paired_difference(np.ones(8), list("abcdefgh")).p == 2 / 2**8


def test_other_levels_move_the_limits() -> None:
    found = paired_difference(np.array([0.0, 1, 1, 0, 1]), list("abcde"))
    assert found.at(0.95) == (pytest.approx(found.low), pytest.approx(found.high))
    wider = found.at(0.99)
    assert wider and found.low and wider[0] < found.low


def test_the_jackknife_of_a_mean_is_the_cluster_t_test_for_equal_groups() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random(20), rng.random(20)
    groups = [name for name in "abcde" for _ in range(4)]
    found = paired_jackknife(lambda rows: float(one[rows].mean()), lambda rows: float(other[rows].mean()), groups)
    expected = paired_difference(one - other, groups)
    assert found and found.p == pytest.approx(expected.p) and found.low == pytest.approx(expected.low)


def test_a_metric_that_needs_a_group_has_no_limits_without_it() -> None:
    groups = list("abcdef")
    found = paired_jackknife(lambda rows: None if 0 not in rows else 1.0, lambda rows: 0.5, groups)
    assert found and (found.estimate, found.low, found.p) == (0.5, None, None)
    assert paired_jackknife(lambda rows: None, lambda rows: 0.5, groups) is None


@pytest.mark.parametrize("groups", [5, 10])
def test_the_type_one_error_is_that_of_the_level(groups: int) -> None:
    """Two classifiers of equal accuracy whose errors cluster; 1,000 draws have a Monte-Carlo error of .007."""
    rng, wrong = np.random.default_rng(groups), 0
    names = [str(number) for number in range(groups) for _ in range(20)]
    for _ in range(1000):
        gain = rng.normal(0, 0.3, groups).repeat(20)  # of the first over the second, by group
        first, second = (rng.random(20 * groups) < 0.5 + gain / 2), (rng.random(20 * groups) < 0.5 - gain / 2)
        p = paired_difference(first.astype(float) - second, names).p
        wrong += p is not None and p < 0.05
    assert 0.03 <= wrong / 1000 <= 0.07
