"""The orders of a queue."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.review.orders import disagreement, ranked, suspicion, uncertainty


def test_uncertainty_is_the_share_of_the_greatest_entropy() -> None:
    found = uncertainty(np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]]))
    assert found == pytest.approx([0.0, 1.0, np.log(2) / np.log(3)], abs=1e-9)


def test_a_sure_classifier_that_says_otherwise_is_suspicious_of_a_label() -> None:
    shares = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert suspicion(shares, [1, 0]) == pytest.approx([0.9, 0.5])
    assert uncertainty(shares)[0] < uncertainty(shares)[1]


def test_networks_that_are_unsure_alike_do_not_disagree() -> None:
    unsure, one, other = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert disagreement([unsure, unsure]) == pytest.approx([0.0])
    assert disagreement([one, other]) == pytest.approx([1.0])
    assert disagreement([one, one, other]) == pytest.approx([0.918296], abs=1e-6)


def test_the_highest_comes_first_and_ties_follow_ids() -> None:
    assert ranked([0.1, 0.5, 0.1], ["c", "b", "a"]) == [1, 2, 0]
