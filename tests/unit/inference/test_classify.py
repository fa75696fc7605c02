from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.inference.classify import class_probabilities
from cytopipe.inputs import InputTransform
from cytopipe.models import build

RGB = InputTransform("rgb", (0, 0, 0), (1, 1, 1))


class Colours(nn.Module):
    """Logits: the mean red, green and blue, times log 3; with a dropout that must not work."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.dropout(images.mean(dim=(2, 3)) * math.log(3))
        return logits


def test_probabilities_are_a_softmax_in_the_order_of_the_items() -> None:
    items = np.zeros((3, 4, 4, 5), np.uint8)
    items[1, ..., 1] = 255
    items[2, ..., :2] = 255
    found = class_probabilities(Colours().train(), RGB, items, batch_size=2)
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array([[1 / 3] * 3, [1 / 5, 3 / 5, 1 / 5], [3 / 7, 3 / 7, 1 / 7]]))


def test_rows_sum_to_one_and_the_batch_size_does_not_matter() -> None:
    torch.manual_seed(0)
    model = build("timm/test_resnet", num_classes=4)
    items = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 5), dtype=np.uint8)
    whole = class_probabilities(model, RGB, items)
    assert whole.shape == (7, 4)
    assert whole.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-12)
    assert class_probabilities(model, RGB, items, batch_size=1) == pytest.approx(whole, abs=1e-6)


def test_a_read_only_memory_map_is_left_as_it_is() -> None:
    items = np.zeros((2, 4, 4, 5), np.uint8)
    items.setflags(write=False)
    assert class_probabilities(Colours(), RGB, items).shape == (2, 3)
