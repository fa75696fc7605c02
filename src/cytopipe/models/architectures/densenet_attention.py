"""DenseNet-121 with dropout, and with channel attention before its last normalisation.

System D of the five that cytopipe reproduces (interpretable attention networks, SIPaKMeD); after
    Huang et al. 2017, "Densely Connected Convolutional Networks", arXiv:1608.06993
    Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507

Parameters for 5 classes:

`densenet_dropout`, 6,958,981
    DenseNet-121 with dropout before its linear layer.
`densenet_attention`, 6,959,143
    as published: attention over the 32 channels of the last dense layer. The other 992 channels that are concatenated
    with them bypass it, and its hidden layer has two units, so it can hardly change the prediction.
`densenet_full_attention`, 7,091,141
    corrected: the same block over all 1,024 channels.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from cytopipe.models.architectures.timm_models import TimmBackbone
from cytopipe.models.layers import SqueezeExcitation, require_at_least
from cytopipe.models.registry import Probability, register

PAPER = "Huang 2017 (DenseNet, arXiv:1608.06993)"
PAPERS = f"{PAPER}, Hu 2018 (SE, arXiv:1709.01507)"

SMALLEST = 29  # side of the smallest image that leaves one position after the last pooling, pixels

Blocks = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]


@register("densenet_dropout", task="classification", paper=PAPER, input_size=224)
class DenseNetDropout(TimmBackbone):
    """DenseNet-121 with dropout before its linear layer.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        growth: channels added by each dense layer (growth rate).
        blocks: number of dense layers in each of the four blocks.
        dropout: dropout probability before the linear layer.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 5,
        in_channels: PositiveInt = 3,
        growth: PositiveInt = 32,
        blocks: Blocks = (6, 12, 24, 16),
        dropout: Probability = 0.5,
    ) -> None:
        super().__init__(
            "densenet121",
            num_classes=num_classes,
            in_chans=in_channels,
            growth_rate=growth,
            block_config=blocks,
            drop_rate=dropout,
        )
        self.growth = growth
        channels: Any = self.backbone.num_features
        self.attention = self.make_attention(growth, channels)

    def make_attention(self, growth: int, channels: int) -> nn.Module:
        """Build the attention that `attend` applies to the `channels` of the last dense block; the identity here."""
        return nn.Identity()

    def attend(self, features: Tensor) -> Tensor:
        """Apply attention to the output of the last dense block, N x C x H x W, before it is normalised."""
        recalibrated: Tensor = self.attention(features)
        return recalibrated

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W with H, W >= 29; others raise CytopipeError."""
        require_at_least(images, SMALLEST, "densenet")
        *blocks, norm = self.backbone.features
        features = images
        for block in blocks:
            features = block(features)
        logits: Tensor = self.backbone.forward_head(norm(self.attend(features)))
        return logits


@register("densenet_attention", task="classification", paper=PAPERS, input_size=224)
class DenseNetAttention(DenseNetDropout):
    """DenseNet-121 with channel attention over the last dense layer's channels alone, as published.

    Arguments are those of `densenet_dropout`; attention covers `growth` channels.
    """

    def make_attention(self, growth: int, channels: int) -> nn.Module:
        """Squeeze-and-excitation over the channels of the last dense layer."""
        return SqueezeExcitation(growth, reduction=16, bias=True)

    def attend(self, features: Tensor) -> Tensor:
        """Apply attention to the last `growth` channels of the last dense block's output, N x C x H x W."""
        older, newest = features[:, : -self.growth], features[:, -self.growth :]
        return torch.cat([older, self.attention(newest)], dim=1)


@register("densenet_full_attention", task="classification", paper=PAPERS, input_size=224)
class DenseNetFullAttention(DenseNetDropout):
    """DenseNet-121 with channel attention over all channels of its last block.

    Arguments are those of `densenet_dropout`.
    """

    def make_attention(self, growth: int, channels: int) -> nn.Module:
        """Squeeze-and-excitation over all channels."""
        return SqueezeExcitation(channels, reduction=16, bias=True)
