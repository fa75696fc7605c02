from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cytopipe.explain.attribution import Attribution
from cytopipe.explain.layers import MethodNotApplicable, last_feature_map, require_relu
from cytopipe.models.registry import architectures, build

DENSE = {"growth": 8, "blocks": [2, 2, 2, 2]}
SIDES = {"cell_background": 20, "malaria_vgg": 64, "region_pooling": 64}
# For every classifier of the registry: arguments of a small version, its last map, and its side at 96 px (or SIDES).
CASES: dict[str, tuple[dict[str, Any], str | None, int]] = {
    "alexnet_hep2": ({"width": 4}, "features.11", 5),
    "cell_background": ({"width": 4, "hidden": 8}, "features.1", 11),
    "convnext_attention": ({"backbone": "test_convnext"}, "recalibrate", 3),
    "convnext_token_attention": ({"backbone": "test_convnext"}, "recalibrate", 3),
    "densenet_attention": (DENSE, "backbone.features.norm5", 3),
    "densenet_dropout": (DENSE, "backbone.features.norm5", 3),
    "densenet_full_attention": (DENSE, "backbone.features.norm5", 3),
    "malaria_vgg": ({"width": 4, "input_size": 64}, "features.13", 7),
    "plain_cnn": ({"depth": 2, "width": 4}, "features.6", 48),
    "region_pooling": ({"backbone": "test_resnet", "strides": [4, 8]}, None, 0),
    "residual_attention": ({"widths": [8, 16, 16, 32, 32], "modules": [1, 1, 1]}, "norm", 3),
    "resnet50_dropout": ({"backbone": "test_resnet"}, "backbone.layer4", 3),
    "resnet50_frozen": ({"backbone": "test_resnet"}, "backbone.layer4", 3),
    "resnet50_frozen_drifting": ({"backbone": "test_resnet"}, "backbone.layer4", 3),
}


def test_every_classifier_of_the_registry_is_tried() -> None:
    names = {entry.name for entry in architectures() if entry.task == "classification"}
    assert names - {"timm/<name>"} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_the_last_map_of_every_architecture(name: str) -> None:
    arguments, expected, side = CASES[name]
    model = build(name, **arguments).eval()
    channels = 5 if name in ("convnext_attention", "convnext_token_attention", "region_pooling") else 3
    size = SIDES.get(name, 96)
    images = torch.rand(2, channels, size, size)
    if expected is None:
        with pytest.raises(MethodNotApplicable, match="several times an image, once for each turn"):
            last_feature_map(model, images)
    else:
        found, module = last_feature_map(model, images)
        shapes = []
        module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[2:])))
        model(images)
        assert (found, shapes) == (expected, [(side, side)])
    black = torch.zeros(1, channels, size, size)
    attribution = Attribution(model, black, black + 1, 2)
    maps = attribution(images, torch.tensor([0, 1]), 2)
    assert ("grad_cam" in attribution.methods) == (expected is not None)
    assert ("guided_backprop" in maps) == (not name.startswith("convnext"))
    assert all(values.shape == (2, size, size) for values in maps.values())
    assert any(values.any() for values in maps.values())


@pytest.mark.parametrize(("name", "found"), [("resnet18", "layer4"), ("test_efficientnet", "bn2")])
def test_the_last_map_of_timm_models(name: str, found: str) -> None:
    assert last_feature_map(build(f"timm/{name}", num_classes=2).eval(), torch.rand(1, 3, 96, 96))[0] == found


NARROW = {"widths": [8, 16, 16, 32, 32], "modules": [1, 1, 1]}


@pytest.mark.parametrize(
    ("name", "arguments", "found"),
    [
        ("resnet50_dropout", {"backbone": "resnet26"}, "backbone.layer3"),
        ("residual_attention", NARROW, "stages.2"),
        ("convnext_attention", {"backbone": "convnext_atto", "in_channels": 3}, "backbone.stages_2"),
        ("densenet_attention", DENSE, "backbone.features.transition3.conv"),
    ],
)
def test_a_coarse_last_map_gives_way_to_the_one_before(name: str, arguments: dict[str, Any], found: str) -> None:
    # At 64 px the last stage has 2 x 2 positions; maps inside its first block, before the reduction, do not count.
    assert last_feature_map(build(name, **arguments).eval(), torch.rand(1, 3, 64, 64))[0] == found


def test_channels_that_come_last_are_refused() -> None:
    model = build("timm/swin_tiny_patch4_window7_224", num_classes=2).eval()
    with pytest.raises(MethodNotApplicable, match="channels of its feature maps come last"):
        last_feature_map(model, torch.rand(1, 3, 224, 224))


def test_relus_no_longer_work_in_place() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True), nn.Sequential(nn.ReLU(inplace=True)))
    require_relu(model)
    assert [part.inplace for part in model.modules() if isinstance(part, nn.ReLU)] == [False, False]


@pytest.mark.parametrize(
    ("layer", "reason"), [(nn.Mish(), "has Mish"), (nn.ReLU6(), "has ReLU6"), (nn.Identity(), "has none")]
)
def test_networks_without_relu_are_rejected(layer: nn.Module, reason: str) -> None:
    with pytest.raises(MethodNotApplicable, match=reason):
        require_relu(nn.Sequential(nn.Conv2d(3, 2, 1), layer))
