from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cytopipe_phantoms import textures
from cytopipe_phantoms.spots import gaussian_spots


@pytest.mark.parametrize("sigma", [0.4, 1.3, 4.0])
def test_blur_is_gaussian_with_the_edge_continued(sigma: float) -> None:
    image = np.random.default_rng(0).random((40, 61)).astype(np.float32) * 5 - 2
    wanted = gaussian_filter(image, sigma, mode="nearest")
    np.testing.assert_allclose(textures.blur(image, sigma), wanted, rtol=0, atol=0.02)


def test_an_even_image_stays_what_it_is() -> None:
    image = np.full((9, 9), 0.375, np.float32)
    np.testing.assert_array_equal(textures.blur(image, 2.0), image)
    assert textures.blur(image, 0.1) is image
    assert not textures.blur(np.zeros((9, 9), np.float32), 2.0).any()


def test_filters_add_only_whole_numbers_that_a_float_holds() -> None:
    for sigma in (0.2, 1.0, 7.5, 30.0):
        kernel = textures._kernel(sigma)
        assert (kernel == np.rint(kernel)).all() and (kernel >= 0).all()
        assert kernel.sum() * textures._PIXEL <= 2**24
    weights = np.abs(textures._grid_weights()).sum(axis=1).max()
    assert 4.3 * 2**12 * weights * weights < 2**53


@pytest.mark.parametrize("length", [1.0, 2.0, 2.5, 8.0])
def test_noise_has_unit_variance_and_its_correlation_length(length: float) -> None:
    field = textures.smooth_noise((500, 600), length, np.random.default_rng(3))
    assert field.shape == (500, 600) and field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=0.2)
    assert field.std() == pytest.approx(1, abs=0.06)
    step = round(length)
    found = np.mean(field[:, step:] * field[:, :-step]) / field.var()
    assert found == pytest.approx(np.exp(-((step / length) ** 2) / 4), abs=0.06)


def test_a_field_is_even_from_edge_to_edge() -> None:
    rng = np.random.default_rng(4)
    fields = np.stack([textures.smooth_noise((40, 50), 6.0, rng) for _ in range(400)])
    assert np.abs(fields.std(axis=0) - 1).max() < 0.2
    assert np.abs(fields.mean(axis=0)).max() < 0.25


def test_spots_add() -> None:
    at, heights = np.array([[10.5, 6.5], [11.5, 6.5]]), np.array([2.0, 1.0])
    light = gaussian_spots(at, heights, 1.5, (16, 24))
    assert light[6, 10] == pytest.approx(2 + np.exp(-1 / 4.5), abs=1e-3)
    assert light[6, 11] == pytest.approx(1 + 2 * np.exp(-1 / 4.5), abs=1e-3)
    assert not gaussian_spots(at[:0], heights[:0], 1.5, (16, 24)).any()
