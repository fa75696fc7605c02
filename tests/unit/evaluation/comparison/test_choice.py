"""The choice among classifiers on validation images."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.comparison.choice import Candidate, choose
from cytopipe.results.predictions import Predictions

IMAGES = 60


def candidate(name: str, correct: np.ndarray, parameters: int = 10, groups: int = 12, first: int = 0) -> Candidate:
    images = [(f"{first + number:03}", f"g{number * groups // IMAGES}", "a") for number in range(IMAGES)]
    return Candidate(name, parameters, Predictions.of_images(("a", "b"), images, np.eye(2)[1 - correct.astype(int)]))


def right(count: int) -> np.ndarray:
    """Right on this many images, spread over all groups."""
    return (np.arange(IMAGES) * count) % IMAGES < count


def test_a_resolved_gain_beats_fewer_parameters() -> None:
    found = choose([candidate("small", right(20), 5), candidate("large", right(58), 500)])
    assert found is not None and found.name == "large"
    assert (found.images, found.groups, found.reason) == (60, 12, "validation accuracy 0.967, the highest")


def test_among_those_not_told_apart_the_simplest_is_chosen() -> None:
    found = choose(
        [candidate("large", right(57), 500), candidate("small", right(56), 5), candidate("bad", right(9), 1)]
    )
    assert found is not None and found.name == "small"
    assert "fewest parameters (5) of 2" in found.reason and "the highest is 0.950, of large" in found.reason


def test_equal_networks_go_by_accuracy_and_then_by_name() -> None:
    found = choose([candidate("b", right(56)), candidate("a", right(55)), candidate("c", right(56))])
    assert found is not None and found.name == "b"


def test_under_five_groups_only_equal_accuracies_are_ties() -> None:
    few = choose([candidate("large", right(57), 500, groups=4), candidate("small", right(55), 5, groups=4)])
    assert few is not None and few.name == "large"
    equal = choose([candidate("large", right(57), 500, groups=4), candidate("small", right(57), 5, groups=4)])
    assert equal is not None and equal.name == "small"


def test_other_images_are_an_error_and_no_images_no_choice() -> None:
    with pytest.raises(CytopipeError, match="validated on different images"):
        choose([candidate("a", right(5)), candidate("b", right(6), first=100)])
    assert choose([Candidate("folded", 3, Predictions.of(("a",), []))]) is None
