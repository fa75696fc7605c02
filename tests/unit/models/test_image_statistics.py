"""Statistics of images: the same for a turned image, other ones for a blank, blurred or coloured image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cytopipe.models.image_statistics import COUNT, image_statistics


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 24, 5), dtype=np.uint8)


def test_a_turned_image_has_the_same_statistics(images: np.ndarray) -> None:
    found = image_statistics(images)
    assert found.shape == (3, COUNT) and np.isfinite(found).all()
    for turned in (np.rot90(images, axes=(1, 2)), images[:, ::-1], images.transpose(0, 2, 1, 3)):
        assert image_statistics(np.ascontiguousarray(turned)) == pytest.approx(found, abs=1e-12)


def test_masks_do_not_count(images: np.ndarray) -> None:
    other = images.copy()
    other[..., 3:] = 0
    assert (image_statistics(other) == image_statistics(images)).all()


@pytest.mark.parametrize("side", [1, 2, 3, 20, 65])
def test_any_size_has_statistics(side: int) -> None:
    found = image_statistics(np.full((2, side, side, 3), 255, np.uint8))
    assert found.shape == (2, COUNT) and np.isfinite(found).all()


def test_a_blurred_image_has_less_fine_structure(images: np.ndarray) -> None:
    soft = np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in images])
    change = image_statistics(soft) - image_statistics(images)
    assert (change[:, 14:17] < 0).all()


def test_no_images_have_no_statistics() -> None:
    assert image_statistics(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, COUNT)
