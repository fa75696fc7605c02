from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import View
from cytopipe.data.imaging.masks import largest_cell
from cytopipe.models.inference.segment import Segmentation
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.transforms import InputTransform


class BrighterToTheLeft(nn.Module):
    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        ramp = torch.linspace(4, -4, image.shape[3]).expand(image.shape[0], 1, image.shape[2], -1)
        return {"cyt": ramp, "nuc": image[:, :1]}


def segmentation(tta: int, one_cell: bool = False) -> Segmentation:
    view = View(view="whole", input_size=32, tta=tta, one_cell=one_cell)
    return Segmentation(BrighterToTheLeft(), InputTransform("rgb", (0.5,) * 3, (0.5,) * 3), view)


def test_the_eight_orientations_differ_and_each_is_undone() -> None:
    image = torch.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3)
    turned = [turn(image, *by) for by in ORIENTED[8]]
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert all(torch.equal(turn(one, *by, back=True), image) for one, by in zip(turned, ORIENTED[8], strict=True))


def test_a_preference_for_one_side_cancels_over_eight_orientations() -> None:
    windows = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    one, eight = (segmentation(number).probabilities(windows) for number in (1, 8))
    assert one[..., 0].std() > 0.2
    np.testing.assert_allclose(eight[..., 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(eight[..., 1], one[..., 1], atol=1e-6)  # a pixel's own colour does not turn


def test_the_largest_cell_is_kept_with_its_nucleus() -> None:
    mask = np.zeros((12, 12), np.uint8)
    mask[1:4, 1:4] = 1
    mask[5:11, 5:11] = 1
    mask[7:9, 7:9] = 2
    mask[0, 11] = 2
    expected = mask.copy()
    expected[:4, :4] = 0
    expected[0, 11] = 0
    np.testing.assert_array_equal(largest_cell(mask), expected)
    np.testing.assert_array_equal(largest_cell(expected), expected)


@pytest.mark.parametrize("mask", [np.zeros((5, 5), np.uint8), np.ones((5, 5), np.uint8)])
def test_a_mask_of_no_or_one_cell_is_unchanged(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(largest_cell(mask), mask)
