from __future__ import annotations

import cv2
import numpy as np
import pytest

from cytopipe.metrics.segmentation import distances_of_parts, hausdorff95, overlap, overlap_of_parts, part


def disc(radius: int, value: int = 1, x: int = 32) -> np.ndarray:
    return cv2.circle(np.zeros((64, 64), np.uint8), (x, 32), radius, value, -1)


def cell(nucleus: int = 6) -> np.ndarray:
    """A cell of radius 20 with a nucleus."""
    mask: np.ndarray = np.maximum(disc(20, 1), disc(nucleus, 2))
    return mask


def test_parts_are_nested() -> None:
    mask = cell()
    assert np.array_equal(part(mask, "cell"), disc(20) == 1)
    assert np.array_equal(part(mask, "nucleus"), disc(6) == 1)
    assert np.array_equal(part(mask, "cytoplasm"), (disc(20) == 1) & (disc(6) == 0))


def test_equal_masks_agree_in_everything() -> None:
    assert set(overlap_of_parts(cell(), cell()).values()) == {1.0}


def test_measures_of_two_bars_are_exact() -> None:
    truth, predicted = np.zeros((4, 10), bool), np.zeros((4, 10), bool)
    truth[:, 0:6], predicted[:, 3:7] = True, True  # 24 and 16 pixels, 12 shared, 28 in all
    assert overlap(truth, predicted) == {
        "dice": pytest.approx(2 * 12 / 40),
        "iou": pytest.approx(12 / 28),
        "pixel_accuracy": pytest.approx(1 - 16 / 40),
    }


def test_the_iou_of_nested_discs_is_the_ratio_of_their_areas() -> None:
    small, large = disc(10), disc(20)
    a, b = int(small.sum()), int(large.sum())
    found = overlap(large == 1, small == 1)
    assert found["dice"] == pytest.approx(2 * a / (a + b))
    assert found["iou"] == pytest.approx(a / b)
    assert found["pixel_accuracy"] == pytest.approx(1 - (b - a) / 64**2)
    assert overlap(small == 1, large == 1) == found


def test_discs_apart_do_not_overlap() -> None:
    found = overlap(disc(5, x=10) == 1, disc(5, x=50) == 1)
    assert found["dice"] == found["iou"] == 0


def test_empty_masks_agree_and_one_empty_mask_does_not() -> None:
    empty = np.zeros((64, 64), np.uint8)
    assert set(overlap_of_parts(empty, empty).values()) == {1.0}
    found = overlap_of_parts(cell(), empty)
    assert found["dice_cell"] == found["iou_cell"] == found["dice_nucleus"] == 0
    assert found["pixel_accuracy_nucleus"] == pytest.approx(1 - (disc(6) == 1).mean())


def test_a_missed_nucleus_does_not_affect_the_cell() -> None:
    found = overlap_of_parts(cell(), disc(20))
    nucleus, whole = int(disc(6).sum()), int(disc(20).sum())
    assert found["dice_cell"] == 1 and found["dice_nucleus"] == 0
    assert found["dice_cytoplasm"] == pytest.approx(2 * (whole - nucleus) / (2 * whole - nucleus))


def test_every_part_has_every_measure_in_a_fixed_order() -> None:
    assert list(overlap_of_parts(cell(), cell())) == [
        f"{measure}_{name}"
        for name in ("cell", "nucleus", "cytoplasm")
        for measure in ("dice", "iou", "pixel_accuracy")
    ]


def test_the_boundary_distance_of_a_shifted_bar_is_the_shift() -> None:
    truth, predicted = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    truth[10:30, 10:20], predicted[10:30, 13:23] = True, True
    assert hausdorff95(truth, predicted) == 3 == hausdorff95(predicted, truth)
    assert hausdorff95(truth, truth) == 0


def test_a_few_stray_pixels_do_not_set_the_95th_percentile() -> None:
    truth = disc(20) == 1
    stray = truth.copy()
    stray[0, 0] = True
    assert hausdorff95(truth, stray) == 0


def test_an_empty_mask_has_a_distance_only_to_another_empty_mask() -> None:
    empty = np.zeros((8, 8), bool)
    assert hausdorff95(empty, empty) == 0
    assert hausdorff95(empty, ~empty) is None and hausdorff95(~empty, empty) is None


def test_distances_of_parts_in_pixels() -> None:
    found = distances_of_parts(cell(nucleus=6), cell(nucleus=9))
    assert found["hd95_cell"] == 0 and found["hd95_nucleus"] == pytest.approx(3, abs=0.5)
    assert distances_of_parts(cell(), disc(20))["hd95_nucleus"] is None
