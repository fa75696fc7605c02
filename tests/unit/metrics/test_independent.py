from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.clusters import LeftOut, ratio
from cytopipe.metrics.independent import independent_difference, welch_freedom
from cytopipe.metrics.intervals import Measured

SIDES = ("at home", "there")


def right_answers(share: float, groups: int, rng: np.random.Generator, icc: float = 0.1) -> LeftOut:
    """Right answers of groups of 6 to 17 images, whose shares are beta distributed."""
    member = np.repeat(np.arange(groups), rng.integers(6, 18, groups))
    shares = rng.beta(share * (1 - icc) / icc, (1 - share) * (1 - icc) / icc, groups)
    right = (rng.random(len(member)) < shares[member]).astype(float)
    return ratio(right, np.ones(len(right)), [str(one) for one in member])


def draws(drop: float, number: int = 300) -> list[Measured]:
    rng = np.random.default_rng(1)
    return [
        independent_difference(right_answers(0.9, 20, rng), right_answers(0.9 - drop, 12, rng), "share", SIDES)
        for _ in range(number)
    ]


def test_of_identical_laboratories_about_95_of_100_intervals_hold_0() -> None:
    found = draws(0.0)
    holds = np.mean([one.low <= 0 <= one.high for one in found if one.low is not None and one.high is not None])
    assert 0.92 <= holds <= 0.99  # docs/external.json has 2,000 draws a case


def test_a_planted_drop_is_held_and_found() -> None:
    found = [(one.low, one.high) for one in draws(0.25) if one.low is not None and one.high is not None]
    assert len(found) == 300
    assert np.mean([low <= 0.25 <= high for low, high in found]) >= 0.92
    assert np.mean([low > 0 for low, _ in found]) >= 0.9


def test_under_5_groups_on_either_side_the_interval_is_withheld_in_words() -> None:
    rng = np.random.default_rng(0)
    many, few = right_answers(0.9, 9, rng), right_answers(0.7, 4, rng)
    for first, second, side in ((many, few, "there"), (few, many, "at home")):
        found = independent_difference(first, second, "share", SIDES)
        assert found.value == pytest.approx((first.value or 0) - (second.value or 0))
        assert (found.low, found.high) == (None, None)
        assert found.withheld == f"{side}, 4 groups count: under 5, no interval is claimed"


def test_a_number_that_is_not_defined_on_one_side_has_no_difference() -> None:
    known = right_answers(0.9, 9, np.random.default_rng(0))
    nothing = LeftOut(None, (), np.zeros(0))
    assert independent_difference(known, nothing, "share", SIDES) == Measured(None)
    assert independent_difference(known, known, None, SIDES).withheld == "the number itself has no interval"


def test_limits_lean_to_where_a_share_has_room() -> None:
    rng = np.random.default_rng(3)
    found = independent_difference(right_answers(0.99, 30, rng), right_answers(0.7, 30, rng), "share", SIDES)
    assert found.value is not None and found.low is not None and found.high is not None
    assert found.high <= 1.0
    assert found.value - found.low > found.high - found.value  # the home share cannot rise above 1


def test_degrees_of_freedom_are_those_of_welch() -> None:
    rng = np.random.default_rng(0)
    one, other = right_answers(0.8, 30, rng), right_answers(0.8, 8, rng)
    assert 7 <= welch_freedom(one, other) <= 36
    assert welch_freedom(one, one) == pytest.approx(58)
