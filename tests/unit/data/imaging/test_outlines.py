"""Masks become polygons and polygons masks without losing a pixel."""

from __future__ import annotations

import numpy as np
from skimage.measure import points_in_poly

from cytopipe.data.imaging.outlines import PlacedMask, Polygon, fill, outline_of, polygons_of


def some_masks(count: int) -> list[np.ndarray]:
    """Noise of several densities: holes, parts that touch by corners, lines one pixel wide."""
    rng = np.random.default_rng(0)
    masks = [rng.random(rng.integers(1, 15, 2)) < rng.choice([0.3, 0.5, 0.7, 0.9]) for _ in range(count)]
    return [mask for mask in masks if mask.any()]


def area(ring: list[tuple[float, float]]) -> float:
    points = np.array(ring)
    return float((points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]).sum() / 2)


def as_arrays(polygons: list[Polygon]) -> list[list[np.ndarray]]:
    return [[np.array(ring) for ring in polygon] for polygon in polygons]


def test_masks_come_back_from_their_polygons_by_sipakmeds_rule() -> None:
    for mask in some_masks(600):
        height, width = mask.shape
        found = fill(as_arrays(polygons_of(mask, 1000, 20)), (height + 40, width + 1003))
        assert found is not None
        assert np.array_equal(found.within((1000, 20, 1000 + width, 20 + height)), mask)
        assert found.area == np.count_nonzero(mask)


def test_the_centres_of_the_pixels_and_no_others_lie_in_the_polygons() -> None:
    for mask in some_masks(100):
        height, width = mask.shape
        ys, xs = np.mgrid[-1 : height + 1, -1 : width + 1]
        centres = np.stack([xs.ravel() + 0.5, ys.ravel() + 0.5], axis=1)
        inside = np.zeros(len(centres), bool)
        for outer, *holes in as_arrays(polygons_of(mask)):
            part: np.ndarray = points_in_poly(centres, outer)  # type: ignore[no-untyped-call]
            for hole in holes:
                part &= ~points_in_poly(centres, hole)  # type: ignore[no-untyped-call]
            inside |= part
        assert np.array_equal(inside.reshape(xs.shape), np.pad(mask, 1))


def test_outer_rings_run_as_rfc_7946_asks_and_holes_the_other_way() -> None:
    for mask in some_masks(100):
        for outer, *holes in polygons_of(mask):
            assert outer[0] == outer[-1] and area(outer) > 0
            assert all(hole[0] == hole[-1] and area(hole) < 0 for hole in holes)


def test_parts_that_touch_by_a_corner_are_one_polygon() -> None:
    assert len(polygons_of(np.eye(5, dtype=bool))) == 1
    apart = np.zeros((5, 5), bool)
    apart[0, 0] = apart[0, 2] = apart[4, 4] = True
    assert len(polygons_of(apart)) == 3


def test_what_lies_outside_the_field_is_cut_off() -> None:
    square = [[np.array([(-5.0, -5.0), (3.5, -5.0), (3.5, 3.5), (-5.0, 3.5)])]]
    found = fill(square, (10, 10))
    assert found is not None and found.box == (0, 0, 4, 4)
    assert fill([[square[0][0] - 50]], (10, 10)) is None and fill([[square[0][0] + 50]], (10, 10)) is None


def test_the_outline_of_the_largest_part() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:12, 3:9], mask[15, 15] = True, True
    found = fill([[outline_of(mask, 7, 8).astype(float)]], (50, 50))
    assert found is not None and found.box == (10, 10, 16, 20) and found.area == 60


def test_a_placed_mask_shows_in_any_box() -> None:
    placed = PlacedMask.of(np.pad(np.ones((2, 3), bool), 4), 10, 20)
    assert placed is not None and placed.box == (14, 24, 17, 26) and placed.area == 6
    assert placed.within((15, 0, 30, 25)).sum() == 2 and not placed.within((0, 0, 5, 5)).any()
    assert PlacedMask.of(np.zeros((3, 3), bool)) is None
