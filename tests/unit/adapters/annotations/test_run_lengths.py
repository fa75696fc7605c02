"""Masks as runs, against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from cytopipe.adapters.annotations.run_lengths import brush_mask, coco_mask, compressed, row_mask
from cytopipe.data.imaging.outlines import PlacedMask
from made_annotations import brush

RNG = np.random.default_rng(5)


def some_masks() -> list[np.ndarray]:
    found = []
    for share in (0.02, 0.3, 0.5, 0.8, 1.0):
        for _ in range(20):
            height, width = RNG.integers(1, 40, 2)
            mask = RNG.random((height, width)) < share
            mask[0, 0] = True
            found.append(mask)
    bar = np.zeros((30, 50), bool)
    bar[:, 10:30] = True  # runs that go on from column to column
    return [*found, bar, np.pad(bar, 400)]


def whole(placed: PlacedMask | None, shape: tuple[int, int]) -> np.ndarray:
    assert placed is not None
    return placed.within((0, 0, shape[1], shape[0]))


def test_compressed_runs_are_those_of_pycocotools() -> None:
    for mask in some_masks():
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        placed = PlacedMask.of(mask)
        assert placed is not None and compressed(placed, mask.shape) == theirs
        assert np.array_equal(whole(coco_mask(theirs, mask.shape, "x"), mask.shape), mask)


def test_plain_runs_rows_and_brushes() -> None:
    for mask in some_masks():
        lengths = np.diff(np.r_[0, np.flatnonzero(np.diff(np.r_[0, mask.T.ravel().astype(int), 0])), mask.size])
        assert np.array_equal(whole(coco_mask(lengths.tolist(), mask.shape, "x"), mask.shape), mask)
        rows = np.diff(np.r_[0, np.flatnonzero(np.diff(np.r_[0, mask.ravel().astype(int), 0])), mask.size])
        height, width = mask.shape
        found = row_mask(rows.tolist(), (3, 4, width, height), "x")
        assert found is not None
        assert np.array_equal(found.within((3, 4, 3 + width, 4 + height)), mask)
        if mask.size < 2000:
            assert np.array_equal(whole(brush_mask(brush(mask), mask.shape, "x"), mask.shape), mask)


def test_a_mask_without_a_pixel_is_none() -> None:
    assert coco_mask([12], (3, 4), "x") is None
    assert row_mask([12], (0, 0, 3, 4), "x") is None
    with pytest.raises(Exception, match="no number that it can be"):
        coco_mask(["twelve"], (3, 4), "x")
