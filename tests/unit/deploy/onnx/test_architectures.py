"""Every architecture of the registry, with every change that a classifier supports, agrees with torch when exported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from cytopipe.data.imaging.decode import read_rgb
from cytopipe.deploy.onnx.export import open_source, to_checked_onnx
from cytopipe.deploy.onnx.source import PROBABILITIES
from cytopipe.models.registry import architectures
from fixture_types import SaveModel

TIGHT = 2e-5  # a fifth of the default tolerance of an export
VISIBLE = 1e-3  # least difference between images: constant outputs would agree too


class Case(NamedTuple):
    """A small variant of an architecture, and the changes to its specification."""

    name: str
    arguments: dict[str, Any]
    side: int = 64
    changes: Mapping[str, Any] = MappingProxyType({})

    def __str__(self) -> str:
        return "-".join([self.name.replace("/", "_"), str(self.side), *map(str, self.changes)])


SMALL = {"backbone": "test_resnet"}
DENSE = {"growth": 8, "blocks": [2, 2, 2, 2]}
ATTENTION = {"backbone": "test_convnext", "widths": [32, 16]}
POOLING = {"backbone": "test_resnet", "strides": [8, 16], "hidden": 16}
UNET = {"encoder": "resnet10t", "decoder_widths": [8, 8, 4]}
TWO = {"classes": ("bad", "good")}
CASES = (
    Case("alexnet_hep2", {"width": 4}),
    Case("attention_unet", {**UNET, "encoder": "test_convnext"}, 64, {"view": {"view": "whole"}}),
    Case("cell_background", {"width": 4, "hidden": 8}, 20),
    Case("convnext_attention", ATTENTION, 64, {"channels": "rgb+masks"}),
    Case("convnext_token_attention", ATTENTION, 64, {"channels": "rgb+masks"}),
    Case("densenet_attention", DENSE),
    Case("densenet_dropout", DENSE),
    Case("densenet_full_attention", DENSE),
    Case("field_unet", {"widths": [4, 8, 8, 8], "rays": 8}, 64, {"view": {"view": "fields"}}),
    Case("malaria_vgg", {"width": 4, "input_size": 64}, 64, TWO),
    Case("plain_cnn", {"depth": 2, "width": 4}),
    Case("region_pooling", POOLING, 64, {"channels": "rgb+masks"}),
    Case("residual_attention", {"widths": [8, 16, 16, 32, 32], "modules": [1, 1, 1]}),
    Case("resnet50_dropout", SMALL),
    Case("resnet50_frozen", SMALL),
    Case("resnet50_frozen_drifting", SMALL),
    Case("timm/test_resnet", {}),
    # variants that are no separate architecture
    Case("timm/test_vit", {}, 160),
    Case("timm/mobilenetv2_035", {}, 50, {"strength": 0.02}),
    Case("region_pooling", POOLING, 50, {"channels": "rgb+masks", "network_size": 60, "tta": 8}),
    Case("timm/test_resnet", {}, 40, {"channels": "masked"}),
    Case("timm/test_resnet", {}, 80, {"channels": "masked", "network_size": 48, "tta": 8}),
    Case("timm/test_resnet", {}, 64, {"head": "mlp"}),
    Case("alexnet_hep2", {"width": 4}, 64, {"head": "svm", "activation": "mish"}),
    Case("attention_unet", UNET, 64, {"view": {"view": "tiles", "scale": 1.2, "overlap": 0.25, "tta": 8}}),
)
NO_NETWORK = {"otsu", "onnx", "torchscript"}  # the last two are others' files


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_export_agrees_with_torch(case: Case, make_model: SaveModel, images: list[Path]) -> None:
    folder = make_model(case.name, case.arguments, case.side, **case.changes)
    source = open_source(folder)
    found = to_checked_onnx(source, folder, images, TIGHT)
    assert found.inputs["images"][0] == "N" and found.outputs[PROBABILITIES][0] == "N"
    expected = np.concatenate(
        [values[PROBABILITIES] for _, values in source.of_images(read_rgb(path)[0] for path in images)]
    )
    assert found.real.agreement == 1 and found.real.images == len(expected) >= len(images)
    assert np.ptp(expected, axis=0).max() > VISIBLE


def test_no_architecture_is_left_out() -> None:
    tried = {"timm/<name>" if case.name.startswith("timm/") else case.name for case in CASES}
    assert tried == {entry.name for entry in architectures()} - NO_NETWORK
