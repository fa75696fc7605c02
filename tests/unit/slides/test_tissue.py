"""What counts as empty glass."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.slides.tissue import tissue_mask
from made_slides import drawn


def noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 0.5, image.shape)  # of a thumbnail, which averages
    return np.rint(image + noise).clip(0, 255).astype(np.uint8)


def test_glass_is_empty() -> None:
    assert not tissue_mask(noisy(drawn(200, 200, []))).any()
    assert not tissue_mask(np.full((20, 20, 3), 255, np.uint8)).any()
    assert not tissue_mask(np.zeros((20, 20, 3), np.uint8)).any()


@pytest.mark.parametrize("grey", [False, True])
def test_cells_are_not(grey: bool) -> None:
    image = drawn(200, 200, [(50, 60), (140, 120)])
    if grey:
        image = np.repeat(image[..., 1:2], 3, axis=2)
    found = tissue_mask(noisy(image))
    assert found[60, 50] and found[120, 140] and found[60, 62]
    assert found.mean() < 0.08


def test_bright_cells_on_a_dark_slide_are_found() -> None:
    image = np.full((100, 100, 3), 10, np.uint8)
    image[30:50, 30:50] = 90
    found = tissue_mask(image)
    assert found[40, 40] and not found[80, 80]


def test_a_pen_does_not_hide_pale_cells() -> None:
    image = drawn(200, 200, [])
    image[:40] = (0, 160, 60)  # the pen
    image[100:110, 100:110] = (225, 195, 220)
    found = tissue_mask(noisy(image))
    assert found[105, 105] and not found[170, 40]
