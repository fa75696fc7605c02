"""Regions, the pooling over them, and the network on top, on feature maps with known results."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.region_pooling import RegionPooling, pool, regions
from cytopipe.models.heads import build_classifier
from cytopipe.models.registry import build, count_parameters


def cell() -> torch.Tensor:
    """One image, 1 x 5 x 4 x 4: the cell is the left half, its nucleus the top left quarter; masks are -1 or 1."""
    image = torch.zeros(1, 5, 4, 4)
    image[:, 3:] = -1
    image[:, 3, :, :2] = 1
    image[:, 4, :2, :2] = 1
    return image


def network(**arguments: object) -> RegionPooling:
    torch.manual_seed(0)
    model = build("region_pooling", **{"backbone": "resnet10t", "num_classes": 3, "hidden": 8, **arguments}).eval()
    assert isinstance(model, RegionPooling)
    return model


def test_regions_are_the_image_the_nucleus_and_the_cytoplasm_without_it() -> None:
    weights = regions(cell())[0]
    assert weights.sum((1, 2)).tolist() == [16, 4, 4]
    assert weights[1, :2, :2].all() and weights[2, 2:, :2].all()
    assert regions(cell()[:, :3]).shape == (1, 1, 4, 4)


def test_the_mean_of_a_region_is_over_its_pixels_and_that_of_an_empty_one_is_zero() -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    assert pool(features, regions(cell())).flatten().tolist() == [7.5, 2.5, 10.5]
    bare = torch.full((1, 5, 4, 4), -1.0)
    assert pool(features, regions(bare)).flatten().tolist() == [7.5, 0, 0]


def test_a_coarse_map_weighs_its_pixels_by_the_share_of_the_region() -> None:
    features = torch.tensor([[[[1.0, 3.0]]]])
    weights = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    assert pool(features, weights).item() == pytest.approx((1 * 1 + 0.5 * 3) / 1.5)


def test_features_are_in_the_order_of_the_strides_and_invariant_to_quarter_turns() -> None:
    model = network(strides=(8, 16))
    images = torch.rand(2, 5, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    seen = model.features(images)
    assert seen.shape == (2, 3 * (128 + 256))
    turned = model.features(torch.rot90(images, 1, (2, 3)))
    assert torch.allclose(seen, turned, atol=1e-5)
    assert not torch.allclose(network(turns=1).features(images), network(turns=1).features(images.rot90(1, (2, 3))))


def test_without_masks_only_the_image_is_pooled() -> None:
    model = network(in_channels=3)
    assert model.features(torch.rand(2, 3, 64, 64)).shape == (2, 128 + 256)
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_a_frozen_backbone_leaves_only_the_small_network_trainable() -> None:
    model = build_classifier("region_pooling", {"num_classes": 3, "hidden": 8}, freeze=True)
    width = 3 * (32 + 96)
    assert count_parameters(model, trainable=True) == width * 8 + 8 + 8 * 3 + 3


def test_another_head_replaces_the_small_network() -> None:
    model = build_classifier("region_pooling", {"num_classes": 3}, head="svm", freeze=True)
    assert isinstance(model.get_submodule("classifier"), nn.Linear)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"in_channels": 4}, "neither RGB nor RGB with two masks"), ({"turns": 5}, "four quarter turns, not 5")],
)
def test_invalid_arguments_are_named(arguments: dict[str, int], words: str) -> None:
    with pytest.raises(CytopipeError, match=words):
        build("region_pooling", **arguments)
