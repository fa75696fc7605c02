"""Paired tests, compared with published values and values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cytopipe.metrics.comparison import (
    compact_letter_display,
    holm,
    holm_levels,
    indistinguishable_groups,
    mcnemar,
)


def right(*counts: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Correctness of two classifiers, from counts (first, second, images)."""
    first = np.concatenate([np.full(images, one) for one, _, images in counts])
    return first, np.concatenate([np.full(images, two) for _, two, images in counts])


def test_mcnemar_is_the_binomial_test_of_the_images_on_which_they_differ() -> None:
    assert mcnemar(*right((1, 1, 50), (1, 0, 8), (0, 1, 2), (0, 0, 7))) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert mcnemar(*right((1, 1, 5), (0, 0, 3))) == 1
    assert mcnemar(*right((1, 0, 4), (0, 1, 4))) == 1


def test_images_on_which_both_agree_do_not_matter() -> None:
    assert mcnemar(*right((1, 0, 6), (0, 1, 1))) == mcnemar(*right((1, 0, 6), (0, 1, 1), (1, 1, 500)))


def test_the_holm_correction_equals_values_computed_by_hand() -> None:
    raw = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03}
    assert holm(raw) == pytest.approx({("a", "b"): 0.03, ("a", "c"): 0.06, ("b", "c"): 0.06})
    assert holm({}) == {} and holm({("a", "b"): 0.9, ("a", "c"): 0.8})["a", "b"] == 1


@pytest.mark.parametrize("seed", range(20))
def test_an_interval_at_its_level_excludes_zero_exactly_where_holm_rejects(seed: int) -> None:
    """With z-tests: p is the two-sided tail, and the limits are z -+ the quantile of the level."""
    z = np.random.default_rng(seed).normal(1.5, 1.5, 6)
    values = {("m", str(number)): float(2 * norm.sf(abs(one))) for number, one in enumerate(z)}
    corrected, levels = holm(values), holm_levels(values)
    for (pair, p), one in zip(corrected.items(), z, strict=True):
        assert (abs(one) > norm.ppf((1 + levels[pair]) / 2)) == (p < 0.05)


def test_the_levels_of_three_pairs_equal_values_computed_by_hand() -> None:
    raw = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03}
    assert holm_levels(raw) == pytest.approx({("a", "b"): 1 - 0.05 / 3, ("a", "c"): 0.975, ("b", "c"): 0.975})
    assert holm_levels({}) == {}


def test_groups_contain_no_resolved_pair_and_may_share_members() -> None:
    ranked = ["a", "b", "c", "d"]
    assert indistinguishable_groups(ranked, set()) == [ranked]
    assert indistinguishable_groups(ranked, {frozenset("ad")}) == [["a", "b", "c"], ["b", "c", "d"]]
    assert indistinguishable_groups(ranked, {frozenset(pair) for pair in ("ab", "ac", "ad", "bc", "bd", "cd")}) == [
        *(["a"], ["b"], ["c"], ["d"]),
    ]
    assert indistinguishable_groups([], set()) == []


def test_names_of_overlapping_groups_share_letters() -> None:
    assert compact_letter_display([["x", "y"], ["y", "z"]]) == {"x": "a", "y": "ab", "z": "b"}
    assert compact_letter_display([[f"n{i}"] for i in range(28)])["n27"] == "b2"
