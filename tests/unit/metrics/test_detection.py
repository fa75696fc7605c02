"""Cells of synthetic fields whose matches and overlaps are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.detection import Detection, Shape, TrueCell, assign
from made_fields import field, found, square, true


def test_a_shape_contains_the_pixels_inside_and_on_its_outline() -> None:
    shape = Shape(square(3, 5, 4))
    assert shape.box == (3, 5, 7, 9)
    assert shape.area == 16 and shape.mask.all()


def test_the_overlap_of_shapes_counts_their_pixels() -> None:
    one = Shape(square(0, 0, 10))
    assert one.iou(one) == 1
    assert one.iou(Shape(square(5, 0, 10))) == 50 / 150
    assert one.iou(Shape(square(10, 0, 10))) == 0
    assert one.iou(Shape(square(2, 2, 5))) == 25 / 100


def test_outlines_may_cross_the_edge_of_the_field_or_be_a_point() -> None:
    assert Shape(square(-4, -4, 8)).area == 64
    assert Shape(np.array([(7, 7)])).area == 1
    assert Shape(np.array([(7, 7), (9, 7)])).box == (7, 7, 10, 8)


def test_a_concave_outline_overlaps_less_than_its_box() -> None:
    corner = np.array([(0, 0), (19, 0), (19, 4), (4, 4), (4, 19), (0, 19)])
    one = field([true(0, 0, 20)], [Detection((0, 0, 20, 20), corner, 0.5, "a")])
    assert one.overlaps["boxes"][0, 0] == 1
    assert one.overlaps["contours"][0, 0] == (20 * 5 + 5 * 15) / 400
    assert one.matches("boxes") == {0: 0} and one.matches("contours") == {}


def test_as_many_pairs_as_possible_are_made_and_of_these_the_closest() -> None:
    assert assign(np.array([[0.9, 0.6], [0.6, 0.1]])) == {0: 1, 1: 0}
    assert assign(np.array([[0.9, 0.6], [0.6, 0.8]])) == {0: 0, 1: 1}
    assert assign(np.array([[0.5, 0.49999]])) == {0: 0}
    assert assign(np.zeros((3, 0))) == assign(np.zeros((0, 3))) == assign(np.zeros((2, 2))) == {}


def test_many_weak_pairs_are_worth_more_than_few_strong_ones() -> None:
    # The diagonal's neighbours pair all but one; the strong pairs would leave two alone.
    overlaps = np.array([[1.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 1.0, 0.5]])
    assert assign(overlaps) == {0: 1, 1: 0, 2: 2}


def test_a_true_cell_found_twice_counts_once() -> None:
    one = field([true(50, 50, 20)], [found(50, 50, 20), found(52, 50, 20)])
    assert one.matches("boxes") == {0: 0}
    assert one.counts("boxes") == [0, 1]


def test_an_unmatched_cell_at_the_edge_is_not_counted_but_a_matched_one_is() -> None:
    # The strip is 2 % of 200 pixels: 4 wide.
    cells = [found(0, 50, 20), found(3, 90, 20), found(4, 130, 20), found(277, 10, 20), found(276, 60, 20)]
    cells += [found(100, 177, 20), found(100, 3, 20)]
    one = field([true(100, 3, 20)], cells)
    assert one.at_edge.tolist() == [True, True, False, True, False, True, True]
    assert one.counts("boxes") == [2, 4, 6]


def test_only_cells_of_at_least_a_score_are_matched() -> None:
    one = field([true(50, 50, 20)], [found(51, 50, 20, score=0.3), found(54, 50, 20, score=0.8)])
    assert one.matches("boxes") == {0: 0}
    assert one.matches("boxes", 0.5) == {1: 0} and one.counts("boxes", 0.5) == [1]
    assert one.matches("boxes", 0.9) == {} and one.counts("boxes", 0.9) == []


@pytest.mark.parametrize(("trues", "founds"), [([], []), ([true(50, 50, 9)], []), ([], [found(50, 50, 9)])])
def test_fields_without_annotated_or_found_cells_are_accepted(trues: list[TrueCell], founds: list[Detection]) -> None:
    one = field(trues, founds)
    assert one.matches("boxes") == one.matches("contours") == {}
    assert one.counts("boxes") == list(range(len(founds)))
    assert one.overlaps["contours"].shape == (len(founds), len(trues))
