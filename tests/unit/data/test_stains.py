"""Changes of stain: exact values of the maps of optical density."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.core.params import Augmentation
from cytopipe.data.stains import HED, LEVELS, densities, draw_stains, light, restain

ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
MIDDLE = np.full((1, 7), 0.5)  # draws that change nothing


def stains(draws: np.ndarray, **strengths: float) -> np.ndarray:
    found = draw_stains(Augmentation.model_validate(strengths), draws)
    assert found is not None
    return found


def test_densities_and_light_are_inverse() -> None:
    assert np.array_equal(light(densities(ALL_VALUES)), ALL_VALUES)
    assert densities(ALL_VALUES).max() == pytest.approx(np.log(LEVELS)) and densities(ALL_VALUES).min() == 0


def test_what_is_brighter_than_white_is_white_and_darker_than_black_is_black() -> None:
    assert light(np.full((1, 1, 3), -1, np.float32)).tolist() == [[[255] * 3]]
    assert light(np.full((1, 1, 3), 9, np.float32)).tolist() == [[[0] * 3]]


def test_middle_draws_change_nothing() -> None:
    (same,) = stains(MIDDLE, hed=0.4, gamma=0.5)
    assert np.allclose(same, np.eye(3, 4), atol=1e-6)
    assert np.array_equal(restain(ALL_VALUES, same), ALL_VALUES)


def test_gamma_is_a_power_of_the_light() -> None:
    draws = MIDDLE.copy()
    draws[0, 0] = 1  # the end of the range
    powered = restain(ALL_VALUES, stains(draws, gamma=float(np.log(2)))[0])
    expected = ((ALL_VALUES + 1.0) / LEVELS) ** 2 * LEVELS - 1
    assert np.abs(powered - np.clip(expected, 0, 255)).max() <= 0.51


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_one_stain_is_scaled_and_added_and_the_others_are_left(stain: int) -> None:
    draws = MIDDLE.copy()
    draws[0, [1 + stain, 4 + stain]] = 1
    (found,) = stains(draws, hed=0.25)
    amounts = np.array([0.3, 0.5, 0.2])
    changed = np.linalg.solve(HED.T, found[:, :3] @ (amounts @ HED) + found[:, 3])
    amounts[stain] = 1.25 * amounts[stain] + 0.25
    assert np.allclose(changed, amounts, atol=1e-5)


def test_without_a_strength_there_is_no_map() -> None:
    assert draw_stains(Augmentation(hue=0.5), MIDDLE) is None
