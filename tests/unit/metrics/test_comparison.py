"""Paired tests, compared with published values and values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.classification import group_draws
from cytopipe.metrics.comparison import (
    compact_letter_display,
    holm,
    indistinguishable_groups,
    mcnemar,
    paired_bootstrap,
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


def test_the_bootstrap_detects_a_clear_gain_and_no_other() -> None:
    draws = group_draws([str(index) for index in range(100)], replicates=999)
    assert paired_bootstrap(np.ones(100), draws) == pytest.approx(2 / 1000)
    assert paired_bootstrap(np.zeros(100), draws) == 1
    undecided = paired_bootstrap(np.tile([1.0, -1.0], 50), draws)
    assert undecided is not None and undecided > 0.5
    assert paired_bootstrap(np.ones(3), []) is None


def test_one_group_that_differs_is_no_evidence_however_many_images_it_has() -> None:
    difference = np.concatenate([np.ones(50), np.zeros(50)])
    by_image = paired_bootstrap(difference, group_draws([str(index) for index in range(100)]))
    by_group = paired_bootstrap(difference, group_draws(["a"] * 50 + [str(index) for index in range(10)] * 5))
    assert by_image is not None and by_group is not None and by_image < 0.01 < 0.05 < by_group


def test_the_holm_correction_equals_values_computed_by_hand() -> None:
    raw = {("a", "b"): 0.01, ("a", "c"): 0.04, ("b", "c"): 0.03}
    assert holm(raw) == pytest.approx({("a", "b"): 0.03, ("a", "c"): 0.06, ("b", "c"): 0.06})
    assert holm({}) == {} and holm({("a", "b"): 0.9, ("a", "c"): 0.8})["a", "b"] == 1


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
