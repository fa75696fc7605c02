"""An image in its square: exact pixels, and back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cytopipe.core.params import Fit, Scale
from cytopipe.data.imaging.fit import Placement, border_colour, place, source_pixels
from cytopipe.errors import CytopipeError

HALF = Scale(kind="scale", source_pixels=2)


def quarters(height: int, width: int) -> np.ndarray:
    """Four colours, one a quarter: height x width x 3."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (10, 20, 30)
    image[: height // 2, width // 2 :] = (50, 60, 70)
    image[height // 2 :, : width // 2] = (90, 100, 110)
    image[height // 2 :, width // 2 :] = (130, 140, 150)
    return image


def disc(height: int, width: int, diameter: int) -> np.ndarray:
    """A dark disc in the middle of white."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.hypot(y - height / 2, x - width / 2) < diameter / 2
    return np.where(inside[..., None], 40, 255).repeat(3, axis=2).astype(np.uint8)


def extent(square: np.ndarray) -> tuple[int, int]:
    """Height and width of what is dark."""
    rows, columns = np.nonzero(square[..., 0] < 148)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("shape", [(16, 16), (13, 21), (5, 6), (8, 8), (1, 1), (40, 3)])
def test_stretch_is_a_plain_resize(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (*shape, 3), np.uint8), rng.integers(0, 3, shape, np.uint8)
    shrinks = shape[0] > 8 and shape[1] > 8
    found = place(shape, 8, "stretch")
    expected = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    assert np.array_equal(found.rgb(image), expected)
    assert np.array_equal(found.mask(mask), cv2.resize(mask, (8, 8), interpolation=cv2.INTER_NEAREST_EXACT))
    assert found.fills and not found.crops


def test_pad_keeps_the_aspect_ratio_of_an_image_twice_as_wide_as_high() -> None:
    image = quarters(8, 16)
    found = place((8, 16), 8, "pad")
    assert found == Placement(side=8, height=4, width=8, top=2, left=0)
    square = found.rgb(image)
    assert np.array_equal(square[2:6], image[::2, ::2])
    assert (square[:2] == border_colour(image)).all() and (square[6:] == border_colour(image)).all()
    mask = np.zeros((8, 16), np.uint8)
    mask[:, :8] = 2
    placed = found.mask(mask)
    assert (placed[2:6, :4] == 2).all() and np.count_nonzero(placed) == 16


@pytest.mark.parametrize(
    ("size", "fit", "expected"),
    [
        ((8, 16), "pad", (4, 8, 2, 0)),
        ((16, 8), "pad", (8, 4, 0, 2)),
        ((8, 8), "pad", (8, 8, 0, 0)),
        ((4, 4), "pad", (8, 8, 0, 0)),  # smaller images are enlarged
        ((3, 300), "pad", (1, 8, 3, 0)),
        ((7, 8), "pad", (7, 8, 0, 0)),
        ((16, 16), HALF, (8, 8, 0, 0)),
        ((10, 6), HALF, (5, 3, 1, 2)),
        ((32, 16), HALF, (16, 8, -4, 0)),
        ((30, 6), HALF, (15, 3, -4, 2)),  # cropped one way, padded the other
        ((1, 1), HALF, (1, 1, 3, 3)),
        ((4, 4), Scale(kind="scale", source_pixels=0.5), (8, 8, 0, 0)),
    ],
)
def test_where_an_image_lies(size: tuple[int, int], fit: Fit, expected: tuple[int, int, int, int]) -> None:
    found = place(size, 8, fit)
    assert (found.height, found.width, found.top, found.left) == expected
    assert found.crops == (min(expected[2:]) < 0)
    image = np.full((*size, 3), 77, np.uint8)
    assert found.rgb(image).shape == (8, 8, 3) and (found.rgb(image) == 77).all()
    assert found.mask(np.ones(size, np.uint8)).sum() == min(expected[0], 8) * min(expected[1], 8)


@pytest.mark.parametrize("shape", [(120, 120), (60, 150), (240, 200), (301, 77)])
def test_at_one_scale_a_disc_keeps_its_size_whatever_the_image(shape: tuple[int, int]) -> None:
    square = place(shape, 64, HALF).rgb(disc(*shape, 48))
    assert extent(square) == pytest.approx((24, 24), abs=1)
    twice = place(shape, 64, Scale(kind="scale", source_pixels=1)).rgb(disc(*shape, 48))
    assert extent(twice) == pytest.approx((48, 48), abs=1)


@pytest.mark.parametrize(("fit", "expected"), [("stretch", (48, 24)), ("pad", (24, 24))])
def test_a_disc_is_round_only_where_the_aspect_ratio_is_kept(fit: Fit, expected: tuple[int, int]) -> None:
    assert extent(place((60, 120), 64, fit).rgb(disc(60, 120, 45))) == pytest.approx(expected, abs=2)


def test_a_scale_in_micrometres_goes_by_the_size_of_the_images_pixels() -> None:
    fit = Scale(kind="scale", um_per_pixel=0.5)
    assert source_pixels(fit, 0.25) == 2
    coarse, fine = disc(60, 60, 24), disc(120, 120, 48)  # 12 micrometres, at 0.5 and at 0.25 micrometres a pixel
    assert extent(place((60, 60), 64, fit, 0.5).rgb(coarse)) == pytest.approx((24, 24), abs=1)
    assert extent(place((120, 120), 64, fit, 0.25).rgb(fine)) == pytest.approx((24, 24), abs=1)


@pytest.mark.parametrize("unknown", [None, 0.0])
def test_without_a_size_of_pixels_there_is_no_scale_in_micrometres(unknown: float | None) -> None:
    with pytest.raises(CytopipeError, match=r"(?s)um_per_pixel: 0.5.*not known.*--pixel-size-um"):
        place((60, 60), 64, Scale(kind="scale", um_per_pixel=0.5), unknown)


def test_an_image_that_would_become_too_large_is_refused_before_it_is_scaled() -> None:
    with pytest.raises(CytopipeError, match="5000 x 5000 px would be scaled to 5000000 x 5000000"):
        place((5000, 5000), 64, Scale(kind="scale", source_pixels=0.001))


def test_the_centre_of_a_larger_image_is_kept() -> None:
    image = np.arange(12 * 12 * 3, dtype=np.uint8).reshape(12, 12, 3)
    assert np.array_equal(place((12, 12), 8, Scale(kind="scale", source_pixels=1)).rgb(image), image[2:10, 2:10])


def test_the_padding_has_the_median_colour_of_the_border_channel_by_channel() -> None:
    image = np.full((5, 7, 3), (200, 210, 220), np.uint8)
    image[1:4, 1:6] = (90, 10, 90)  # a cell
    image[0, :3] = (90, 10, 90)  # that touches the border
    assert border_colour(image).tolist() == [200, 210, 220]
    assert border_colour(image[:1, 3:4]).tolist() == [200, 210, 220]
    assert border_colour(image[:1]).tolist() == [200, 210, 220]


@pytest.mark.parametrize("grid", [16, 64])
def test_a_map_of_the_square_comes_back_over_the_image(grid: int) -> None:
    values = np.zeros((grid, grid), np.float32)
    values[: grid // 4] = 5  # only over the padding
    values[grid // 4 : grid // 2, : grid // 2] = 1  # over the upper left quarter of the image
    back = place((8, 16), 8, "pad").back(values, (80, 160))
    assert back.shape == (80, 160)
    inside, outside = back[10:34, 5:74], np.concatenate([back[50:].ravel(), back[10:, 90:].ravel()])
    assert inside == pytest.approx(1, abs=1e-6) and (outside == 0).all()


def test_what_was_cropped_has_no_map() -> None:
    found = place((32, 16), 8, HALF)
    back = found.back(np.ones((8, 8), np.float32), (32, 16))
    assert (back[8:24] == 1).all() and (back[:8] == 0).all() and (back[24:] == 0).all()


def test_a_map_over_a_stretched_image_is_resized() -> None:
    values = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    expected = cv2.resize(values, (20, 10), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(place((10, 20), 9, "stretch").back(values, (10, 20)), expected)
