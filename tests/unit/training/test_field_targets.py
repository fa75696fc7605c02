from __future__ import annotations

import numpy as np
import pytest
import torch

from cytopipe.data.field_crops import UNKNOWN, draw_layers
from cytopipe.training.field_targets import directions, make_targets


def square(left: int, top: int, side: int) -> np.ndarray:
    far = side - 1
    return np.array([(left, top), (left + far, top), (left + far, top + far), (left, top + far)], float)


def of(*cells: tuple[np.ndarray, np.ndarray], side: int = 64) -> torch.Tensor:
    return torch.from_numpy(draw_layers((side, side), cells))[None]


def test_rays_end_at_the_outline_of_their_own_cell() -> None:
    targets = make_targets(of((square(10, 20, 21), square(18, 28, 4))), 4, 60)
    assert targets.points.tolist() == [[0, 7, 5]]  # pixel (29.5, 21.5): the only point on the nucleus
    right, down, left, up = targets.rays[0].tolist()
    assert right == pytest.approx(9, abs=1.5) and left == pytest.approx(12, abs=1.5)
    assert down == pytest.approx(11, abs=1.5) and up == pytest.approx(10, abs=1.5)
    assert targets.seen.all()


def test_cells_that_overlap_keep_whole_outlines() -> None:
    layers = of((square(4, 20, 24), square(8, 28, 4)), (square(20, 20, 24), square(36, 28, 4)))
    targets = make_targets(layers, 4, 60)
    first = targets.rays[targets.points[:, 2] == 2][0]
    second = targets.rays[targets.points[:, 2] == 9][0]
    assert float(first[0]) == pytest.approx(28 - 9.5, abs=1.6)  # through the shared pixels to its own right side
    assert float(second[2]) == pytest.approx(37.5 - 20, abs=1.6)


def test_a_ray_that_leaves_the_crop_or_what_is_known_is_not_seen() -> None:
    layers = of((square(-10, 20, 30), square(4, 28, 8)))
    layers[:, 45:, :, 1] = UNKNOWN
    targets = make_targets(layers, 4, 60)
    assert targets.seen.tolist() == [[True, False, False, True]] * len(targets.points)


def test_what_is_unknown_has_no_part_in_the_maps() -> None:
    layers = of((square(10, 20, 21), square(18, 28, 4)))
    layers[:, :, 40:, 1] = UNKNOWN
    targets = make_targets(layers, 8, 60)
    assert targets.known[0, 0, :, :20].all() and not targets.known[0, 0, :, 20:].any()
    assert targets.maps[0, 0, :, 20:].sum() == 0
    assert targets.maps[0, 2].max() > 0.5  # the middle of the nucleus


def test_directions_begin_to_the_right_and_turn_downwards() -> None:
    assert directions(4).round().tolist() == [[0, 1], [1, 0], [0, -1], [-1, 0]]
