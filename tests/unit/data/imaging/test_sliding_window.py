from __future__ import annotations

import itertools

import numpy as np
import pytest

from cytopipe.data.imaging.sliding_window import cut, pad_to, starts, stitch

CASES = list(itertools.product((1, 31, 32, 33, 64, 65, 100), (1, 8, 32), (0.0, 0.25, 0.5, 0.9, 0.99)))


def naive_starts(length: int, window: int, stride: int) -> list[int]:
    """What misses the edges: whole strides only."""
    return list(range(0, length - window + 1, stride))


def test_whole_strides_alone_miss_the_right_edge() -> None:
    last = naive_starts(100, 32, 16)[-1]
    assert last + 32 < 100
    assert starts(100, 32, 0.5)[-1] + 32 == 100


def test_positions_are_known() -> None:
    assert starts(10, 4, 0.5) == [0, 2, 4, 6]
    assert starts(11, 4, 0.5) == [0, 2, 4, 6, 7]
    assert starts(8, 4, 0) == [0, 4]
    assert starts(4, 4, 0.5) == [0]
    assert starts(3, 4, 0.5) == [0]


@pytest.mark.parametrize(("length", "window", "overlap"), CASES)
def test_every_pixel_is_covered_and_the_last_window_ends_at_the_edge(length: int, window: int, overlap: float) -> None:
    found = starts(length, window, overlap)
    covered = {pixel for start in found for pixel in range(start, start + window)}
    assert covered == set(range(max(length, window)))
    assert found == sorted(set(found))
    gaps = np.diff(found)
    assert (gaps <= max(1, round(window * (1 - overlap)))).all()


@pytest.mark.parametrize("size", [(5, 9), (32, 32), (33, 32), (40, 100), (8, 90), (71, 50)])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5])
def test_stitching_what_was_cut_gives_the_image(size: tuple[int, int], overlap: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    windows, corners = cut(image, 32, overlap)
    assert windows.shape == (len(corners), 32, 32, 3)
    joined = stitch(windows.astype(np.float32), corners, (*size, 3))
    assert joined.shape == image.shape
    assert joined.dtype == np.float32
    assert np.array_equal(joined, image)


def test_windows_show_the_image_at_their_corners() -> None:
    image = np.arange(40 * 50).reshape(40, 50, 1)
    for window, (top, left) in zip(*cut(image, 16, 0.5), strict=True):
        assert np.array_equal(window, image[top : top + 16, left : left + 16])


def test_overlapping_windows_are_averaged() -> None:
    windows = np.stack([np.full((4, 4, 1), 0.0), np.full((4, 4, 1), 1.0)])
    joined = stitch(windows, [(0, 0), (0, 2)], (4, 6, 1))
    assert joined[0, :, 0].tolist() == [0, 0, 0.5, 0.5, 1, 1]


def test_windows_are_weighted_point_by_point() -> None:
    windows = np.stack([np.full((4, 4, 1), 0.0), np.full((4, 4, 1), 1.0)])
    weights = np.tile(np.array([1, 2, 3, 4], np.float32), (4, 1))[..., None]
    joined = stitch(windows, [(0, 0), (0, 2)], (4, 6, 1), weights=weights)
    assert joined[0, :, 0].tolist() == pytest.approx([0, 0, 1 / 4, 2 / 6, 1, 1])


@pytest.mark.parametrize("origin", [(0, 0), (7, 11), (30, 25)])
def test_an_area_of_an_image_has_the_values_of_the_whole(origin: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((50, 60, 2), dtype=np.float32)
    windows, corners = cut(values, 16, 0.5)
    weights = np.random.default_rng(1).random((16, 16, 1), dtype=np.float32) + np.float32(0.1)
    noisy = windows + np.random.default_rng(2).random(windows.shape, dtype=np.float32)
    whole = stitch(noisy, corners, values.shape, weights=weights)
    top, left = origin
    part = stitch(iter(noisy), corners, (20, 30, 2), origin, weights)
    assert np.array_equal(part, whole[top : top + 20, left : left + 30])


def test_as_many_windows_as_corners() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        stitch(np.ones((1, 4, 4, 1), np.float32), [(0, 0), (0, 2)], (4, 6, 1))


def test_small_images_are_padded_by_their_edges() -> None:
    image = np.array([[[1], [2]], [[3], [4]]])
    assert pad_to(image, 4)[..., 0].tolist() == [[1, 2, 2, 2], [3, 4, 4, 4], [3, 4, 4, 4], [3, 4, 4, 4]]
    assert np.array_equal(pad_to(image, 2), image)
