from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cytopipe.explain.perturbation import FRACTIONS, POINTS, area, perturbation_curves, ranks


def one_pixel(images: Tensor, targets: Tensor) -> np.ndarray:
    """A model that looks at one pixel: 0.9 where it is red, else 0.1."""
    assert len(images) == len(targets)
    return np.where(images[:, 0, 3, 5].numpy() > 0.5, 0.9, 0.1)


def test_a_map_that_names_the_pixel_wins_and_one_that_names_it_last_loses() -> None:
    images = torch.zeros(2, 3, 8, 8)
    images[:, 0, 3, 5] = 1.0
    best = np.zeros((2, 8, 8))
    best[:, 3, 5] = 1.0
    found = perturbation_curves(one_pixel, images, torch.zeros(2, dtype=torch.long), {"best": best, "worst": -best})
    first, last = [0.9, *[0.1] * (POINTS - 1)], [*[0.9] * (POINTS - 1), 0.1]
    np.testing.assert_allclose(found["deletion"]["best"], [first, first])
    np.testing.assert_allclose(found["deletion"]["worst"], [last, last])
    np.testing.assert_allclose(found["insertion"]["best"], 1 - np.array([first, first]))
    np.testing.assert_allclose(found["insertion"]["worst"], 1 - np.array([last, last]))
    below = {name: area(curve)[0] for name, curve in found["deletion"].items()}
    assert below["best"] < below["random"] < below["worst"]


def test_the_ends_are_the_image_and_nothing_of_it() -> None:
    images = torch.rand(2, 3, 8, 8) + 0.1
    seen: list[Tensor] = []

    def look(batch: Tensor, targets: Tensor) -> np.ndarray:
        seen.append(batch)
        return np.zeros(len(batch))

    perturbation_curves(look, images, torch.tensor([0, 1]), {})
    deleted, inserted = (batch.unflatten(0, (POINTS, 2)) for batch in seen)
    assert torch.equal(deleted[0], images) and not deleted[-1].any()
    assert torch.equal(inserted[-1], images) and not torch.equal(inserted[0], images)
    kept = [(step != 0).all(dim=1).float().mean().item() for step in deleted]
    np.testing.assert_allclose(kept, 1 - FRACTIONS)


def test_ranks_put_the_largest_first_and_equals_in_reading_order() -> None:
    found = ranks(np.array([[[1.0, 3.0], [3.0, -2.0]]]))
    assert found.tolist() == [[[0.5, 0.0], [0.25, 0.75]]]


def test_the_area_of_a_straight_line() -> None:
    np.testing.assert_allclose(area(np.array([1 - FRACTIONS, np.full(POINTS, 0.3)])), [0.5, 0.3])
