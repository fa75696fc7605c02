from __future__ import annotations

import numpy as np
import pytest

from cytopipe.screening.stars import Star, vote, without_doubles


def star(left: int, side: int, weight: float, score: float = 0.9) -> Star:
    return Star(0, left, np.ones((side, side), bool), score, weight)


def test_points_of_one_nucleus_vote_on_the_outline() -> None:
    middles = np.array([(20.0, 20.0), (20.0, 21.0), (21.0, 20.0)])
    rays = np.full((3, 32), 8.0)
    rays[2] = 40  # one is wrong
    drawn = vote(middles, rays, (64, 64))
    assert drawn is not None
    top, left, mask = drawn
    rows, columns = np.nonzero(mask)
    assert mask.sum() == pytest.approx(np.pi * 8.5**2, rel=0.15)
    assert rows.mean() + top == pytest.approx(20, abs=0.7) and columns.mean() + left == pytest.approx(20.5, abs=0.7)


def test_an_outline_is_clipped_to_the_grid_and_may_lie_outside() -> None:
    drawn = vote(np.array([(2.0, 2.0)]), np.full((1, 16), 10.0), (30, 30))
    assert drawn is not None and drawn[:2] == (0, 0)
    assert vote(np.array([(-50.0, 2.0)]), np.full((1, 16), 10.0), (30, 30)) is None


def test_the_heavier_nucleus_keeps_its_cell_and_neighbours_stay() -> None:
    # The second lies on the first, the third shares a third with it, the fourth is none.
    stars = [star(0, 30, weight=40), star(5, 12, weight=5, score=0.99), star(20, 30, weight=30), None]
    assert without_doubles(stars, 0.7) == [True, False, True, False]


def test_a_chain_is_decided_by_neighbours_alone() -> None:
    # The second loses to the first and still keeps the third out: what is far away decides nothing.
    assert without_doubles([star(0, 20, 9), star(4, 20, 8), star(8, 20, 7)], 0.7) == [True, False, False]
