from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cytopipe.core.params.patients import GroupLabel
from cytopipe.metrics.patients import Groups, attended, expit, group_labels, log_odds, most_telling, pooled

NAMES = ["b", "a", "b", "c", "b", "a"]
SCORES = np.array([0.1, 0.4, 0.8, 0.5, 0.3, 0.6])
GROUPS = Groups.of(NAMES)


def by_hand(group: str) -> np.ndarray:
    return SCORES[[name == group for name in NAMES]]


def test_groups_are_sorted_and_know_their_images() -> None:
    assert GROUPS.names == ("a", "b", "c") and GROUPS.sizes.tolist() == [2, 3, 1]
    some, images = GROUPS.only(np.array([True, False, True]))
    assert some.names == ("a", "c") and some.number.tolist() == [0, 1, 0]
    assert images.tolist() == [False, True, False, True, False, True]


def test_every_rule_is_what_its_name_says() -> None:
    rules: tuple[tuple[str, Callable[[np.ndarray], float]], ...] = (
        ("mean", lambda own: own.mean()),
        ("max", lambda own: own.max()),
        ("quantile", lambda own: np.quantile(own, 0.7)),
        ("noisy_or", lambda own: 1 - np.prod(1 - own)),
        ("count", lambda own: 1 - np.prod(1 - own)),  # at least one
    )
    for rule, expected in rules:
        odds = pooled(rule, SCORES, GROUPS, quantile=0.7)  # type: ignore[arg-type]
        assert expit(odds) == pytest.approx([expected(by_hand(group)) for group in GROUPS.names]), rule


def test_a_shift_makes_every_image_less_suspicious() -> None:
    shifted = pooled("count", SCORES, GROUPS, count=1, shift=-2.0)
    fewer = expit(log_odds(SCORES) - 2)
    assert shifted == pytest.approx(pooled("noisy_or", fewer, GROUPS))


def test_certain_images_keep_their_order() -> None:
    odds = pooled("noisy_or", np.array([1.0, 1.0, 1.0, 0.0]), Groups.of(["x", "y", "y", "z"]))
    assert np.isfinite(odds).all() and odds[1] > odds[0] > odds[2]


@pytest.mark.parametrize(("how", "expected"), [("worst", [1, 1, 0]), ("majority", [1, 0, 0]), ("none", [-1, -1, 0])])
def test_the_label_of_a_group_with_both_kinds_of_images(how: GroupLabel, expected: list[int]) -> None:
    abnormal = np.array([True, True, False, False, False, False])
    assert group_labels(abnormal, GROUPS, how).tolist() == expected


def test_attention_weighs_images_within_their_group() -> None:
    energies, values = np.array([0.0, 5.0, 0.0, 1.0, 900.0, 5.0]), np.arange(6.0)
    odds, weights = attended(energies, values, GROUPS)
    assert odds == pytest.approx([3.0, 4.0, 3.0])
    assert np.bincount(GROUPS.number, weights) == pytest.approx([1, 1, 1])


def test_the_most_telling_images_come_first() -> None:
    assert most_telling(SCORES, GROUPS, 2) == [[5, 1], [2, 4], [3]]
