"""Cells that two tiles see."""

from __future__ import annotations

from cytopipe.screening.detectors import Region
from cytopipe.slides.seams import Seen, at_seam, dropped, near, owns

LEFT, RIGHT = Region(0, 0, 1000, 1000), Region(0, 1000, 1000, 2000)


def seen(tile: int, order: int, box: tuple[int, int, int, int]) -> Seen:
    core = (LEFT, RIGHT)[tile]
    assert near(core, box) and at_seam(core, box)
    return Seen(tile, order, box, owns(core, box))


def test_a_cell_whose_centre_is_in_both_tiles_is_kept_once() -> None:
    assert dropped([seen(0, 0, (980, 100, 1018, 140)), seen(1, 1, (981, 100, 1020, 140))]) == {1}


def test_a_cell_whose_centre_is_in_neither_is_kept_once() -> None:
    one, other = seen(0, 0, (981, 100, 1021, 140)), seen(1, 1, (979, 100, 1019, 140))
    assert not one.owned and not other.owned
    assert dropped([one, other]) == {1}
    assert dropped([one]) == set()


def test_the_tile_that_holds_the_centre_has_the_cell() -> None:
    assert dropped([seen(0, 0, (981, 100, 1021, 140)), seen(1, 1, (981, 100, 1021, 140))]) == {0}


def test_cells_of_one_tile_may_overlap() -> None:
    assert dropped([seen(0, 0, (950, 100, 990, 140)), seen(0, 1, (955, 100, 995, 140))]) == set()


def test_a_cell_in_the_middle_is_compared_with_none() -> None:
    assert not at_seam(LEFT, (480, 480, 520, 520))
    assert at_seam(LEFT, (5, 300, 990, 700))
