from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.registry import build
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import ModelSpec

RGB = InputTransform("rgb", (0, 0, 0), (1, 1, 1))


class Colours(nn.Module):
    """Logits are the mean red, green and blue times log 3; a dropout must be inactive."""

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


class Place(nn.Module):
    """Logits are the red of the upper left pixel and of the one to its right, times log 3."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0, :2] * math.log(3)


def test_eight_orientations_are_averaged_as_probabilities() -> None:
    items = np.zeros((1, 4, 4, 5), np.uint8)
    items[0, 0, 0] = 255
    # A corner is upper left in two of the eight.
    assert class_probabilities(Place(), RGB, items)[0, 0] == pytest.approx(3 / 4)
    assert class_probabilities(Place(), RGB, items, tta=8)[0, 0] == pytest.approx((2 * 3 / 4 + 6 * 1 / 2) / 8)
    items[0, 0, 0], items[0, 0, 1] = 0, 255  # its neighbour stays in its place in one of the eight
    assert class_probabilities(Place(), RGB, items, tta=8)[0, 1] == pytest.approx((3 / 4 + 7 * 1 / 2) / 8)


def test_with_tta_turned_and_mirrored_images_get_the_same_probabilities() -> None:
    torch.manual_seed(0)
    model = build("timm/test_resnet", num_classes=4)
    item = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 5), dtype=np.uint8)
    turned = np.concatenate([np.rot90(part, k, (1, 2)) for part in (item, item[:, :, ::-1]) for k in range(4)])
    found = class_probabilities(model, RGB, turned, tta=8)
    assert found == pytest.approx(np.repeat(found[:1], 8, axis=0), abs=1e-6)
    assert class_probabilities(model, RGB, turned).std(axis=0).max() > 1e-4


def test_a_specification_determines_the_input_of_the_network() -> None:
    spec = ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments={},
        classes=("a",),
        channels="rgb",
        input_size=4,
        network_size=6,
        mean=(0, 0, 0),
        std=(0.5, 0.5, 0.5),
        training_data_sha256="0" * 64,
    )
    seen = input_transform(spec, torch.device("cpu"))(torch.full((1, 4, 4, 5), 255, dtype=torch.uint8))
    assert seen.shape == (1, 3, 6, 6) and seen.flatten().tolist() == pytest.approx([2] * 108)
