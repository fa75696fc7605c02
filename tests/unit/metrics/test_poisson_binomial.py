from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from cytopipe.metrics import poisson_binomial
from cytopipe.metrics.poisson_binomial import at_least, padded


def test_groups_of_unequal_sizes_are_filled_up_with_zeros() -> None:
    rows = padded(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 0, 1, 1]), 3)
    assert rows.tolist() == [[0.2, 0, 0], [0.1, 0.3, 0.4], [0, 0, 0]]


def test_the_tail_is_the_sum_over_all_subsets() -> None:
    chances = np.array([0.1, 0.5, 0.7, 0.95])
    for least in (1, 2, 3, 4):
        exact = sum(
            np.prod([p if on else 1 - p for p, on in zip(chances, one, strict=True)])
            for one in product((0, 1), repeat=4)
            if sum(one) >= least
        )
        odds = at_least(chances[None], [least])[0, 0]
        assert 1 / (1 + np.exp(-odds)) == pytest.approx(exact)


def test_neither_small_tails_nor_small_complements_lose_digits() -> None:
    rare, frequent = at_least(np.array([[1e-6] * 20, [1 - 1e-6] * 20]), [3])[:, 0]
    assert rare == pytest.approx(np.log(binom.sf(2, 20, 1e-6)), rel=1e-6)
    assert frequent == pytest.approx(-np.log(binom.cdf(2, 20, 1 - 1e-6)), rel=1e-6)
    assert np.isfinite(at_least(np.zeros((1, 5)), [1, 70])).all()


def test_large_counts_by_the_normal_distribution_are_close_to_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    chances = np.random.default_rng(0).beta(2, 2, (20, 150))
    counts = [66, 75, 84]
    normal = at_least(chances, counts)
    monkeypatch.setattr(poisson_binomial, "EXACT", 100)
    exact = at_least(chances, counts)
    assert np.abs(1 / (1 + np.exp(-normal)) - 1 / (1 + np.exp(-exact))).max() < 0.01
