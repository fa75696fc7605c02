"""Draws of whole groups, and percentile intervals."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.bootstrap import group_draws, interval

GROUPS = ["a", "b", "a", "c", "b", "a"]


def test_draws_take_whole_groups_as_many_as_the_data_has() -> None:
    draws = group_draws(GROUPS, replicates=200)
    assert len(draws) == 200
    members = {name: [i for i, group in enumerate(GROUPS) if group == name] for name in "abc"}
    for rows in draws:
        counts = np.bincount(rows, minlength=6)
        assert all(len(set(counts[images])) == 1 for images in members.values())  # all of a group equally often
        assert sum(counts[images[0]] for images in members.values()) == 3
    assert len({tuple(rows) for rows in draws}) > 10


def test_draws_are_the_same_every_time_and_differ_by_seed() -> None:
    first, again, other = (group_draws(GROUPS, 20, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_one_group_gives_no_draws() -> None:
    assert group_draws(["a", "a", "a"]) == []


def test_an_interval_leaves_2_5_percent_on_either_side() -> None:
    assert interval(range(1001)) == pytest.approx({"low": 25, "high": 975})
    assert interval([0.7] * 50) == {"low": 0.7, "high": 0.7}
    assert interval([]) is None
