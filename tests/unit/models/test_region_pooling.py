"""Regions, the pooling over them, and the network on top, on feature maps with known results."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.region_pooling import (
    SHAPES,
    RegionPooling,
    cell_shapes,
    deviations,
    pool,
    regions,
)
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


def test_the_deviation_of_a_region_is_over_its_pixels() -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    found = deviations(features, regions(cell())).flatten()
    part = torch.tensor([0.0, 1, 4, 5])
    assert found.tolist() == pytest.approx([features.std(correction=0).item(), *[part.std(correction=0).item()] * 2])


def test_shapes_do_not_depend_on_turns_and_tell_round_from_long() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    cell = ((x - 30) / 24) ** 2 + ((y - 34) / 12) ** 2 < 1
    nucleus = (x - 40) ** 2 + (y - 34) ** 2 < 36
    image = torch.cat([torch.zeros(1, 3, 64, 64), (torch.stack([cell, nucleus]) * 2.0 - 1)[None]], dim=1)
    found = cell_shapes(regions(image))[0]
    assert found.shape == (SHAPES,)
    assert found[3].exp().item() == pytest.approx(0.5, abs=0.02) and found[8].exp().item() == pytest.approx(1, abs=0.02)
    assert found[[4, 9]].tolist() == pytest.approx([1, 1], abs=0.06)  # ellipses are filled
    assert found[10].item() == pytest.approx(10 * 2 / 63 * (1 - 36 / (24 * 12)), rel=0.2)
    assert found[11].exp().item() == pytest.approx(36 / (24 * 12), rel=0.1)
    for turns in (1, 2, 3):
        torch.testing.assert_close(cell_shapes(regions(image.rot90(turns, (2, 3))))[0], found, atol=1e-4, rtol=1e-4)
    assert torch.isfinite(cell_shapes(regions(torch.full((1, 5, 8, 8), -1.0)))).all()


def test_the_image_itself_deviations_and_shapes_are_asked_for() -> None:
    model = network(strides=(1, 8), spread=True, shapes=True)
    assert model.features(torch.rand(2, 5, 64, 64) * 2 - 1).shape == (2, 3 * 2 * (3 + 128) + 2 * SHAPES)
    with pytest.raises(CytopipeError, match="no shapes"):
        build("region_pooling", in_channels=3, shapes=True)
