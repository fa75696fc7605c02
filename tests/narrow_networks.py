"""Narrow variants of the published classifiers, for fast tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cytopipe.models.registry import build


class Narrow(NamedTuple):
    """A narrow variant of a published classifier.

    Attributes:
        name: name of the architecture.
        arguments: arguments that make it narrow.
        side: side of its images, pixels.
        parameters: number of parameters.
    """

    name: str
    arguments: dict[str, Any]
    side: int
    parameters: int

    def build(self) -> nn.Module:
        return build(self.name, **self.arguments)

    def images(self, count: int = 2) -> Tensor:
        return torch.rand(count, 3, self.side, self.side, generator=torch.Generator().manual_seed(0))


DENSE = {"growth": 8, "blocks": [2, 2, 2, 2]}
NARROW = (
    Narrow("alexnet_hep2", {"width": 4}, 64, 240_892),
    Narrow("cell_background", {"width": 4, "hidden": 8}, 20, 2_030),
    Narrow("densenet_attention", DENSE, 64, 28_750),
    Narrow("densenet_dropout", DENSE, 64, 28_725),
    Narrow("densenet_full_attention", DENSE, 64, 28_887),
    Narrow("malaria_vgg", {"width": 4, "input_size": 64}, 64, 12_529),
    Narrow("residual_attention", {"widths": [8, 16, 16, 32, 32], "modules": [1, 1, 1]}, 64, 25_661),
    Narrow("resnet50_dropout", {"backbone": "test_resnet"}, 64, 373_173),
    Narrow("resnet50_frozen", {"backbone": "test_resnet"}, 64, 373_076),
    Narrow("resnet50_frozen_drifting", {"backbone": "test_resnet"}, 64, 373_076),
)
