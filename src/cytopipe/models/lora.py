"""Low-rank changes of weights, trained in place of the weights and merged into them in the end.

Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685. A change is a parametrization of
torch, so that any layer takes it and the merged network is a plain one. The library peft would bring transformers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Linear, nn.Conv2d)


class LowRank(nn.Module):
    """Adds alpha / rank * up @ down to a weight; the sum is zero at first, because `up` is.

    Args:
        weight: the weight, out x in or out x in x height x width.
        rank: rank of the change; `down` is rank x (in * height * width), `up` is out x rank.
        alpha: scale of the change, times the rank.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        self.scale = alpha / rank
        self.down = nn.Parameter(weight.new_empty(rank, columns))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as LoRA's authors and torch's linear layers do

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight, of the same shape and memory format."""
        change = (self.up @ self.down).view(weight.shape)
        return torch.add(weight, change, alpha=self.scale)


def add_low_rank(backbone: nn.Module, rank: int, alpha: float, head: nn.Module | None = None) -> int:
    """Freeze a backbone, and give each linear and convolutional layer in it a trainable low-rank change.

    Weights with fewer numbers than their change would have stay as they are.

    Args:
        backbone: changed in place; the changes are drawn from torch's global generator.
        rank, alpha: as for `LowRank`.
        head: a part of the backbone that stays as it is.

    Returns:
        Number of layers that were given a change.
    """
    spared = {id(part) for part in head.modules()} if head else set[int]()
    kept = {id(parameter) for parameter in head.parameters()} if head else set[int]()
    for parameter in backbone.parameters():
        if id(parameter) not in kept:
            parameter.requires_grad_(False)
    layers = [part for part in backbone.modules() if isinstance(part, LAYERS) and id(part) not in spared]
    layers = [layer for layer in layers if _worthwhile(layer.weight, rank)]
    for layer in layers:
        # `unsafe` skips a comparison of shapes and types, which are the weight's by construction.
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha), unsafe=True)
    return len(layers)


def merge_low_rank(model: nn.Module) -> None:
    """Replace every changed weight by the sum that the network computed with; it is a plain network again."""
    for layer in list(model.modules()):
        if isinstance(layer, LAYERS) and parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _worthwhile(weight: Tensor, rank: int) -> bool:
    rows, columns = len(weight), weight[0].numel()
    return rank * (rows + columns) < rows * columns
