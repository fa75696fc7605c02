from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cytopipe.data.imaging.masks import (
    BACKGROUND,
    CYTOPLASM,
    NUCLEUS,
    cell_mask,
    colours_to_palette,
    encode_mask,
    fill_polygon,
    from_probabilities,
    read_mask,
    resize_mask,
    to_channels,
    to_palette,
)
from cytopipe.errors import CytopipeError


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def test_a_polygon_is_filled_with_its_outline() -> None:
    mask = np.zeros((6, 8), np.uint8)
    fill_polygon(mask, box(2, 1, 5, 3), 1)
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2, 3) for x in (2, 3, 4, 5)]


def test_a_polygon_is_clipped_at_the_edges() -> None:
    mask = np.zeros((6, 8), np.uint8)
    fill_polygon(mask, box(-5, -5, 2, 20), 1)
    assert np.array_equal(mask, np.arange(8)[None].repeat(6, axis=0) <= 2)


@pytest.mark.parametrize("corner", [(-40, 2), (40, 2), (2, -40), (2, 40)])
def test_a_polygon_outside_leaves_the_mask_alone(corner: tuple[int, int]) -> None:
    mask = np.zeros((6, 8), np.uint8)
    fill_polygon(mask, box(corner[0], corner[1], corner[0] + 4, corner[1] + 4), 1)
    assert not mask.any()


def test_filling_in_a_window_equals_filling_the_whole() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        contour = rng.uniform(-10, 70, (int(rng.integers(3, 12)), 2))
        mask = np.zeros((50, 60), np.uint8)
        fill_polygon(mask, contour, 2)
        whole = Image.new("L", (60, 50))
        ImageDraw.Draw(whole).polygon([tuple(point) for point in contour.tolist()], fill=2)
        assert np.array_equal(mask, np.asarray(whole))


def test_two_points_are_no_contour() -> None:
    with pytest.raises(ValueError, match="3 points, not 2"):
        fill_polygon(np.zeros((4, 4), np.uint8), np.zeros((2, 2)), 1)


def test_no_cytoplasm_covers_the_nucleus_of_a_neighbour() -> None:
    first = (box(0, 0, 5, 5), box(4, 4, 5, 5))
    second = (box(3, 3, 9, 9), box(7, 7, 8, 8))
    mask = cell_mask((10, 10), [first, second])
    assert (mask == NUCLEUS).sum() == 4 + 4
    assert (mask == CYTOPLASM).sum() == 36 + 49 - 9 - 8
    assert mask[9, 0] == BACKGROUND


def test_publishers_values_are_translated() -> None:
    values = np.array([[0, 128], [255, 0]])
    assert to_palette(values, {0: 0, 128: 1, 255: 2}, "mask").tolist() == [[0, 1], [2, 0]]


def test_a_value_without_a_meaning_is_named() -> None:
    values = np.array([[0, 127], [255, 3]])
    with pytest.raises(CytopipeError, match=r"001\.png: mask values \[3, 127\] are none of \[0, 128, 255\]"):
        to_palette(values, {0: 0, 128: 1, 255: 2}, "001.png")


@pytest.mark.parametrize("size", [(7, 9), (64, 50), (33, 21), (20, 200)])
def test_resizing_makes_no_new_values(size: tuple[int, int]) -> None:
    mask = np.zeros((33, 21), np.uint8)
    mask[5:20, 5:15] = 2  # no cytoplasm: an interpolation would draw some at the nucleus' rim
    resized = resize_mask(mask, size)
    assert resized.shape == size
    assert set(np.unique(resized)) == {0, 2}


def test_halving_takes_one_of_each_four_pixels() -> None:
    mask = np.repeat(np.repeat(np.array([[0, 1], [2, 1]], np.uint8), 2, axis=0), 2, axis=1)
    assert resize_mask(mask, (2, 2)).tolist() == [[0, 1], [2, 1]]


def test_the_cell_channel_contains_the_nucleus() -> None:
    channels = to_channels(np.array([[0, 1, 2]], np.uint8))
    assert channels.dtype == np.uint8
    assert channels.tolist() == [[[0, 0], [255, 0], [255, 255]]]


def test_a_nucleus_counts_only_inside_a_cell() -> None:
    cell = np.array([[0.9, 0.9, 0.1, 0.5]])
    nucleus = np.array([[0.9, 0.1, 0.9, 0.5]])
    assert from_probabilities(cell, nucleus).tolist() == [[2, 1, 0, 2]]


def test_a_stored_mask_has_indices_to_compute_and_greys_to_look_at(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    assert encode_mask(mask) == encode_mask(mask.copy())
    (tmp_path / "mask.png").write_bytes(encode_mask(mask))
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
        assert np.asarray(image.convert("L")).tolist() == [[0, 128, 255], [255, 128, 0]]


def test_a_stored_mask_that_is_damaged_or_no_mask_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(encode_mask(np.eye(64, dtype=np.uint8))[:-30])
    with pytest.raises(CytopipeError, match=r"mask\.png: .*\n  -> rerun the stage"):
        read_mask(path)
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(CytopipeError, match="not a palette mask but an image of mode RGB"):
        read_mask(path)


def test_colours_are_translated_and_an_odd_one_is_named() -> None:
    image = np.array([[[255, 0, 0], [0, 0, 128]], [[0, 0, 255], [128, 128, 128]]], np.uint8)
    meaning = {(255, 0, 0): 0, (128, 128, 128): 0, (0, 0, 128): 1, (0, 0, 255): 2}
    assert colours_to_palette(image, meaning, "a.bmp").tolist() == [[0, 1], [2, 0]]
    del meaning[0, 0, 255]
    with pytest.raises(CytopipeError, match=r"a\.bmp: 1 pixels of the mask have none of .*, first \(0, 0, 255\)"):
        colours_to_palette(image, meaning, "a.bmp")
