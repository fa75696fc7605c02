"""Intervals over groups: closed forms, other implementations, and the cases at the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from cytopipe.metrics.clusters import LeftOut, each_left_out, jackknife_error, ratio
from cytopipe.metrics.intervals import METHODS, Measured, Scale, effective_size, measured, none_of

SIX = list("abcdef")


def limits(found: Measured) -> tuple[float, float]:
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_the_real_scale_on_groups_of_one_is_the_t_interval_of_a_mean() -> None:
    values = np.array([3.0, 1, 4, 1, 5, 9])
    found = measured(ratio(values, np.ones(6), SIX), "real")
    reach = student.ppf(0.975, 5) * values.std(ddof=1) / np.sqrt(6)
    assert limits(found) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_the_share_is_made_by_hand_on_the_logit() -> None:
    hits, images = np.array([3.0, 4, 2, 4, 3, 1]), np.full(6, 4.0)
    found = measured(ratio(hits, images, SIX))
    logit = [np.log((17 - one) / (20 - (17 - one))) for one in hits]
    error = np.sqrt(5 / 6 * sum((one - np.mean(logit)) ** 2 for one in logit))
    low, high = (np.log(17 / 7) + sign * student.ppf(0.975, 5) * error for sign in (-1, 1))
    assert limits(found) == pytest.approx((1 / (1 + np.exp(-low)), 1 / (1 + np.exp(-high))))


def test_a_share_and_its_complement_mirror_each_other() -> None:
    hits, images = np.array([9.0, 10, 10, 8, 10, 10]), np.full(6, 10.0)
    low, high = limits(measured(ratio(hits, images, SIX)))
    assert limits(measured(ratio(images - hits, images, SIX))) == pytest.approx((1 - high, 1 - low))


def test_the_signed_scale_is_the_share_from_minus_one_to_one() -> None:
    left = LeftOut(0.5, (0.4, 0.5, 0.6, 0.55, 0.45), np.full(5, 10))
    half = LeftOut(0.75, (0.7, 0.75, 0.8, 0.775, 0.725), np.full(5, 10))
    low, high = limits(measured(half))
    assert limits(measured(left, "signed")) == pytest.approx((2 * low - 1, 2 * high - 1))


def test_positive_numbers_have_limits_at_equal_ratios() -> None:
    values = np.array([0.1, 2, 3, 0.5, 40, 1])
    low, high = limits(measured(ratio(values, np.ones(6), SIX), "positive"))
    assert 0 < low < values.mean() < high
    assert values.mean() / low == pytest.approx(high / values.mean())


def test_copies_of_an_image_in_its_group_change_nothing() -> None:
    hits = np.array([1.0, 0, 1, 1, 1, 0])
    once = measured(ratio(hits, np.ones(6), SIX))
    tenfold = measured(ratio(hits.repeat(10), np.ones(60), [one for one in SIX for _ in range(10)]))
    assert limits(once) == pytest.approx(limits(tenfold))


@pytest.mark.parametrize("errors", [0, 12])
def test_without_an_error_the_limit_is_that_of_clopper_and_pearson(errors: int) -> None:
    hits = np.full(12, float(errors == 12))
    found = measured(ratio(hits, np.ones(12), [str(number) for number in range(12)]))  # independent images
    exact = binomtest(errors, 12).proportion_ci(method="exact")
    assert limits(found) == pytest.approx((exact.low, exact.high))


def test_images_in_groups_are_worth_less() -> None:
    assert effective_size(np.ones(12)) == 12
    assert effective_size(np.full(10, 41)) == pytest.approx(410 / 5)  # 1 + 40 * .1
    low, high = limits(measured(ratio(np.ones(410), np.ones(410), [f"{number // 41}" for number in range(410)])))
    assert [low, high] == pytest.approx([1 - none_of(82), 1])


def test_all_errors_in_one_group_still_have_limits() -> None:
    hits = np.array([6.0, 10, 10, 10, 10, 10])
    low, high = limits(measured(ratio(hits, np.full(6, 10.0), SIX)))
    assert 0.05 < low < 0.8 and 0.99 < high < 1


def test_groups_that_are_all_alike_are_no_surer_than_independent_images() -> None:
    low, high = limits(measured(ratio(np.full(6, 3.0), np.full(6, 4.0), SIX)))
    reach = student.ppf(0.975, 5) / np.sqrt(24 * 0.75 * 0.25)
    assert np.log(high / (1 - high)) - np.log(3) == pytest.approx(reach)
    assert low < 0.6


@pytest.mark.parametrize(
    ("left", "scale", "why"),
    [
        (ratio(np.array([1.0, 0, 1, 1]), np.ones(4), list("abcd")), "share", "4 groups count: under 5"),
        (ratio(np.ones(3), np.ones(3), list("aaa")), "share", "one group counts: under 5"),
        (ratio(np.ones(6), np.array([1.0, 1, 1, 1, 0, 0]), SIX), "share", "4 groups count"),
        (LeftOut(0.5, (0.5, None, 0.4, 0.6, 0.5), np.ones(5)), "share", "not defined without one of the groups"),
        (LeftOut(2.0, (2.0,) * 5, np.ones(5)), "share", "outside its scale"),
        (LeftOut(0.0, (0.0,) * 5, np.ones(5)), "positive", "the groups do not differ"),
        (LeftOut(1.0, (1.0, 0.9, 1.0, 1.0, 1.0), np.ones(5)), "signed", "at the end of its scale"),
    ],
)
def test_where_none_is_claimed_it_says_why(left: LeftOut, scale: Scale, why: str) -> None:
    found = measured(left, scale)
    assert found.value == left.value and found.low is None and found.high is None and why in found.withheld


def test_an_undefined_number_has_neither_limits_nor_a_reason() -> None:
    assert measured(ratio(np.zeros(6), np.zeros(6), SIX)) == Measured(None)


def test_every_scale_has_its_method_in_words() -> None:
    assert all("G - 1" in text for text in METHODS.values())


def test_the_jackknife_of_a_metric_leaves_out_whole_groups() -> None:
    groups = ["b", "a", "b", "c"]
    left = each_left_out(lambda rows: {"rows": float((rows + 1).sum())}, groups)["rows"]
    assert (left.value, left.without, left.sizes.tolist()) == (10, (8, 6, 6), [1, 2, 1])


def test_a_mean_by_the_general_jackknife_equals_the_closed_form() -> None:
    values = np.random.default_rng(0).random(30)
    groups = [str(number % 7) for number in range(30)]
    general = each_left_out(lambda rows: {"": float(values[rows].mean())}, groups)[""]
    closed = ratio(values, np.ones(30), groups)
    assert general.without == pytest.approx(closed.without) and general.sizes.tolist() == closed.sizes.tolist()


def test_many_groups_are_left_out_in_parts() -> None:
    values = np.random.default_rng(0).random(2000)
    names = [str(number) for number in range(2000)]
    parts = each_left_out(lambda rows: {"": float(values[rows].mean())}, names)[""]
    assert len(parts.without) == 200
    assert jackknife_error(parts.known) == pytest.approx(values.std() / np.sqrt(2000), rel=0.15)


def coverage(draw: Callable[[np.random.Generator], tuple[LeftOut, float]], scale: Scale, draws: int = 400) -> float:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(draws):
        left, true = draw(rng)
        low, high = limits(measured(left, scale))
        hits += low <= true <= high
    return hits / draws


@pytest.mark.parametrize(("groups", "size", "share"), [(5, 40, 0.9), (10, 41, 0.965), (15, 20, 0.8)])
def test_the_interval_of_a_share_covers_what_it_promises(groups: int, size: int, share: float) -> None:
    """Groups with an intraclass correlation of .1; 400 draws have a Monte-Carlo error of .011 at .95."""
    names = np.repeat(np.arange(groups), size)

    def draw(rng: np.random.Generator) -> tuple[LeftOut, float]:
        rates = rng.beta(9 * share, 9 * (1 - share), groups)
        return ratio(
            (rng.random(len(names)) < rates[names]).astype(float), np.ones(len(names)), names.astype(str).tolist()
        ), share

    assert 0.91 <= coverage(draw, "share") <= 0.99


def test_the_interval_of_a_distance_covers_what_it_promises() -> None:
    names = np.repeat(np.arange(10), 20)

    def draw(rng: np.random.Generator) -> tuple[LeftOut, float]:
        values = np.exp(0.3 * rng.normal(size=10)[names] + 0.6 * rng.normal(size=200))
        return ratio(values, np.ones(200), names.astype(str).tolist()), float(np.exp((0.3**2 + 0.6**2) / 2))

    assert 0.91 <= coverage(draw, "positive") <= 0.99
