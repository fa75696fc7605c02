from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from cytopipe_phantoms import exact

RNG = np.random.default_rng(0)
ANGLES = RNG.uniform(-40, 40, 3000)


def test_exp_log_sine_and_cosine_are_good_to_the_last_places() -> None:
    np.testing.assert_allclose(exact.exp(ANGLES), np.exp(ANGLES), rtol=5e-16)
    numbers = np.exp(ANGLES).tolist()
    np.testing.assert_allclose([exact.log(x) for x in numbers], np.log(numbers), rtol=5e-16, atol=1e-16)
    sine, cosine = exact.sincos(ANGLES)
    np.testing.assert_allclose(sine, np.sin(ANGLES), rtol=0, atol=3e-16)
    np.testing.assert_allclose(cosine, np.cos(ANGLES), rtol=0, atol=3e-16)


def test_a_float_gives_the_value_that_it_gives_in_an_array() -> None:
    assert [exact.exp(x) for x in ANGLES.tolist()] == exact.exp(ANGLES).tolist()
    assert [exact.sincos(x) for x in ANGLES.tolist()] == list(zip(*exact.sincos(ANGLES), strict=True))
    shares = RNG.random(500)
    assert [exact.normal_quantile(x) for x in shares.tolist()] == exact.normal_quantiles(shares).tolist()


def test_angles_of_vectors_in_all_quarters_and_on_the_axes() -> None:
    x, y = RNG.normal(size=(2, 1000))
    x[:4], y[:4] = (1, 0, -1, 0), (0, 1, 0, -1)
    np.testing.assert_allclose(exact.arctan2(y, x), np.arctan2(y, x), rtol=0, atol=1e-15)
    np.testing.assert_allclose(exact.length(np.stack([x, y], axis=1)), np.hypot(x, y), rtol=5e-16)


def test_directions_are_unit_vectors() -> None:
    np.testing.assert_allclose(exact.direction(math.pi / 6), [math.sqrt(3) / 2, 0.5], atol=1e-15)
    assert exact.direction(ANGLES).shape == (3000, 2)


def test_the_normal_distribution_and_its_inverse() -> None:
    places = np.linspace(-9, 9, 801)
    np.testing.assert_allclose([exact.normal_share(x) for x in places.tolist()], ndtr(places), rtol=1e-7, atol=1e-15)
    shares = np.concatenate([10.0 ** np.arange(-15, -1), RNG.random(500)])
    np.testing.assert_allclose([exact.normal_quantile(x) for x in shares.tolist()], ndtri(shares), rtol=0, atol=1e-13)
    assert exact.normal_share(-40) == 0 and exact.normal_share(40) == 1


def test_decay_is_the_exponential_of_the_negative_and_ends_near_nothing() -> None:
    x = RNG.uniform(0, 15, (30, 40)).astype(np.float32)
    np.testing.assert_allclose(exact.decay(x), np.exp(-x), rtol=1.5e-4)
    assert exact.decay(np.array([0.0]))[0] == 1
    assert 0 < exact.decay(np.array([1e6]))[0] < 3e-9


def test_a_total_is_rounded_once() -> None:
    assert exact.total([1e16, 1.0, -1e16]) == pytest.approx(1.0, abs=0)
