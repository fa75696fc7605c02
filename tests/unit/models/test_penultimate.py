"""The features of the penultimate layer, of any architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cytopipe.models.heads import build_classifier, head_of
from cytopipe.models.inference.classify import class_probabilities, probabilities_and_features
from cytopipe.models.penultimate import last_layer, mean_of_calls, watch_features
from cytopipe.models.transforms import InputTransform
from narrow_networks import NARROW

OTHERS: tuple[tuple[str, dict[str, Any], int, dict[str, Any]], ...] = (
    ("convnext_attention", {"backbone": "test_convnext"}, 32, {}),
    ("region_pooling", {"backbone": "test_resnet", "num_classes": 3, "in_channels": 3}, 64, {}),
    ("timm/test_vit", {"num_classes": 3}, 160, {}),
    ("timm/test_byobnet", {"num_classes": 3}, 64, {}),
    ("timm/test_resnet", {"num_classes": 3}, 32, {"head": "svm", "freeze": True}),
    ("timm/test_resnet", {"num_classes": 3}, 32, {"head": "mlp"}),
    ("timm/test_efficientnet", {"num_classes": 3}, 32, {"head": "linear"}),
)


def features(model: nn.Module, side: int, channels: int = 3) -> Tensor | None:
    images = torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), watch_features(model.eval()) as seen:
        model(images)
    return mean_of_calls(seen)


@pytest.mark.parametrize("narrow", NARROW, ids=lambda one: one.name)
def test_every_published_network_has_features(narrow: Any) -> None:
    found = features(narrow.build(), narrow.side)
    assert found is not None and found.ndim == 2 and len(found) == 2 and found.dtype == torch.float64


@pytest.mark.parametrize(("name", "arguments", "side", "changes"), OTHERS)
def test_other_networks_and_heads_have_features(
    name: str, arguments: dict[str, Any], side: int, changes: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    model = build_classifier(name, arguments, **changes)
    found = features(model, side, 5 if name == "convnext_attention" else 3)
    layer = last_layer(model)
    assert isinstance(layer, nn.Linear) and found is not None and found.shape == (2, layer.in_features)
    assert layer is [*head_of(model)[1].modules()][-1]


class Maps(nn.Module):
    """A head that is a convolution; with `positions`, a linear layer over a sequence."""

    def __init__(self, positions: bool) -> None:
        super().__init__()
        self.positions = positions
        self.classifier_head = nn.Linear(3, 2) if positions else nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        if self.positions:
            found: Tensor = self.classifier_head(images.flatten(2).mT).mean(dim=1)
        else:
            found = self.classifier_head(images).mean(dim=(2, 3))
        return found


@pytest.mark.parametrize("positions", [False, True])
def test_maps_and_sequences_are_averaged(positions: bool) -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = features(Maps(positions), 8)
    assert found is not None and torch.allclose(found, images.double().mean(dim=(2, 3)), atol=1e-7)


def test_a_network_without_a_single_head_has_none() -> None:
    assert last_layer(nn.Conv2d(3, 2, 1)) is None
    assert features(nn.Conv2d(3, 2, 1), 4) is None


def test_probabilities_are_those_without_features() -> None:
    torch.manual_seed(0)
    model = build_classifier("timm/test_resnet", {"num_classes": 3})
    transform = InputTransform("rgb", (0.5,) * 3, (0.5,) * 3)
    items = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 5), dtype=np.uint8)
    for tta in (1, 8):
        found, seen = probabilities_and_features(model, transform, items, batch_size=2, tta=tta)
        assert (found == class_probabilities(model, transform, items, batch_size=2, tta=tta)).all()
        assert seen is not None and seen.shape[0] == 5
