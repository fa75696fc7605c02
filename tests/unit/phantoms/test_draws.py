from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cytopipe_phantoms import draws


def many(draw: Callable[[np.random.Generator], float], count: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(8)
    return np.array([draw(rng) for _ in range(count)])


@pytest.mark.parametrize(
    ("draw", "wanted"),
    [
        (lambda rng: draws.normal(2, 3, rng), stats.norm(2, 3)),
        (lambda rng: draws.lognormal(0.3, 0.5, rng), stats.lognorm(0.5, scale=np.exp(0.3))),
        (lambda rng: draws.gamma(0.3, rng), stats.gamma(0.3)),
        (lambda rng: draws.gamma(1, rng), stats.gamma(1)),
        (lambda rng: draws.gamma(4.2, rng), stats.gamma(4.2)),
        (lambda rng: draws.dirichlet((0.7, 0.3, 1.2), rng)[0], stats.beta(0.7, 1.5)),
    ],
)
def test_numbers_follow_their_distribution(draw: Callable[[np.random.Generator], float], wanted: Any) -> None:
    assert stats.kstest(many(draw), wanted.cdf).pvalue > 0.001


@pytest.mark.parametrize("mean", [0.4, 7.0, 90.0, 1300.0])
def test_counts_have_mean_and_variance_of_poisson(mean: float) -> None:
    counts = many(lambda rng: draws.poisson(mean, rng))
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / 4000))
    assert counts.var() == pytest.approx(mean, rel=0.12)


def test_no_count_where_none_is_expected() -> None:
    assert not many(lambda rng: draws.poisson(0, rng), 50).any()


def test_white_noise_is_normal_and_of_the_wanted_shape() -> None:
    noise = draws.white((200, 300), np.random.default_rng(1))
    assert noise.shape == (200, 300) and noise.dtype == np.float32
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.001
    assert np.abs(noise).max() < 4.5


def test_arrays_of_numbers_have_their_shape() -> None:
    rng = np.random.default_rng(2)
    assert draws.normals(0, 1, 0, rng).shape == (0,)
    assert draws.lognormals(0, 0.1, (4, 1), rng).shape == (4, 1)
    assert draws.dirichlet((1, 1, 1), rng).sum() == pytest.approx(1)
