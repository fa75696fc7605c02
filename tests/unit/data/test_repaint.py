"""Repainted images: the parts keep their places, and nothing is painted on the cell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.repaint import repaint

MASK = np.zeros((80, 80), np.uint8)
cv2.circle(MASK, (40, 40), 20, 1, -1)
cv2.circle(MASK, (40, 40), 10, 2, -1)
IMAGE = np.array([[240, 230, 150], [190, 150, 160], [90, 40, 120]], np.uint8)[MASK]
SEEDS = range(12)


def painted(palette: bool, neighbours: bool, seed: int, mask: np.ndarray = MASK) -> np.ndarray:
    return repaint(IMAGE, mask, palette, neighbours, np.random.default_rng(seed)).astype(int)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_nucleus_stays_the_darkest_part_and_the_ground_the_lightest(seed: int) -> None:
    result = painted(True, False, seed)
    ground, cytoplasm, nucleus = (
        np.log1p(result[cv2.erode(np.equal(MASK, part).astype(np.uint8), np.ones((7, 7))) > 0]).mean()
        for part in range(3)
    )
    assert ground > cytoplasm > nucleus


def test_colours_differ_from_draw_to_draw() -> None:
    assert len({tuple(painted(True, False, seed)[40, 40]) for seed in SEEDS}) == len(SEEDS)


def test_neighbours_are_painted_on_the_background_alone() -> None:
    changed = np.zeros(MASK.shape, int)
    inside = cv2.erode((MASK > 0).astype(np.uint8), np.ones((15, 15))) > 0
    for seed in SEEDS:
        result = painted(False, True, seed)
        assert np.array_equal(result[inside], IMAGE[inside])
        changed += np.abs(result - IMAGE).max(axis=2) > 20
    assert (changed[MASK == 0] > 0).mean() > 0.9  # anywhere around it


def test_an_image_without_a_cell_is_repainted_as_well() -> None:
    for palette, neighbours in ((True, False), (False, True), (True, True)):
        result = painted(palette, neighbours, 1, np.zeros_like(MASK))
        assert result.shape == IMAGE.shape and not np.array_equal(result, IMAGE)


def test_the_augmenter_repaints_by_the_warped_mask_and_leaves_the_mask() -> None:
    items = np.concatenate([IMAGE, MASK[..., None]], axis=2)[None].repeat(20, axis=0)
    some = Augmenter(Augmentation(palette=0.5, neighbours=0.5), 0)(items, 0, range(20))
    changed = [not np.array_equal(one, items[0]) for one in some]
    assert 8 <= sum(changed) < 20 and np.array_equal(some[..., 3], items[..., 3])
    again = Augmenter(Augmentation(palette=0.5, neighbours=0.5), 0)(items, 0, [7])
    assert np.array_equal(again[0], some[7])
