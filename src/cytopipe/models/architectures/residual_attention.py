"""Residual Attention Network-92: residual units whose features are amplified by soft masks.

System D of the five that cytopipe reproduces (interpretable attention networks, SIPaKMeD); after
    Wang et al. 2017, "Residual Attention Network for Image Classification", arXiv:1704.06904
    He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv:1603.05027 (pre-activation units)

50,427,589 parameters for 5 classes. The published code also builds a projection for every shortcut but uses only those
where the shape changes; the unused ones are neither built nor counted here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from cytopipe.models.registry import register

Width = Annotated[int, Field(ge=4, multiple_of=4)]
Widths = tuple[PositiveInt, Width, Width, Width, Width]
Modules = tuple[PositiveInt, PositiveInt, PositiveInt]


@register(
    "residual_attention",
    task="classification",
    paper="Wang 2017 (Residual Attention Network, arXiv:1704.06904)",
    input_size=224,
)
class ResidualAttentionNetwork(nn.Module):
    """Three stages of attention modules, then one of plain residual units.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        widths: channels of the stem and of the four stages, the latter multiples of 4.
        modules: number of attention modules in each of the first three stages.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 5,
        in_channels: PositiveInt = 3,
        widths: Widths = (64, 256, 512, 1024, 2048),
        modules: Modules = (1, 2, 3),
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], kernel_size=7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        *attended, (inputs, outputs) = pairwise(widths)
        # Mask branches start at strides 4, 8 and 16 and all reach down to stride 32.
        stages = zip(attended, modules, (1, 2, 2), (3, 2, 1), strict=True)
        self.stages = nn.Sequential(
            *(_stage(*channels, count, stride, depth) for channels, count, stride, depth in stages),
            nn.Sequential(ResidualUnit(inputs, outputs, stride=2), *_units(outputs, 2)),
        )
        self.norm = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())
        self.fc = nn.Linear(outputs, num_classes)

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps pooled features to logits."""
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W; at 224 px the last feature map is 7 x 7."""
        logits: Tensor = self.fc(self.norm(self.stages(self.stem(images))).mean((2, 3)))
        return logits


class AttentionModule(nn.Module):
    """Trunk branch times (1 + mask); an hourglass of residual units computes the mask.

    Args:
        channels: channels of input and output.
        depth: number of times the mask branch halves the resolution.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.first = ResidualUnit(channels, channels)
        self.trunk = _units(channels, 2)
        self.down = _units(channels, depth - 1)
        self.bottom = _units(channels, 2)
        self.skip = _units(channels, depth - 1)
        self.up = _units(channels, depth - 1)
        self.mask = nn.Sequential(*_norm_relu_conv(channels), *_norm_relu_conv(channels), nn.Sigmoid())
        self.last = ResidualUnit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """N x channels x H x W -> the same shape."""
        x = self.first(x)
        trunk = self.trunk(x)
        encoded: list[Tensor] = []
        for down in self.down:
            x = down(_halve(x))
            encoded.append(x)
        x = self.bottom(_halve(x))
        for features, skip, up in zip(encoded[::-1], reversed(self.skip), reversed(self.up), strict=True):
            x = up(_resize(x, features) + features + skip(features))
        mask = self.mask(_resize(x, trunk) + trunk)
        attended: Tensor = self.last((1 + mask) * trunk)
        return attended


class ResidualUnit(nn.Module):
    """Pre-activation bottleneck: 1 x 1, 3 x 3 and 1 x 1 convolutions, each after batch normalisation and ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; the bottleneck has a quarter of them.
        stride: stride of the 3 x 3 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.activate = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
        self.bottleneck = nn.Sequential(
            nn.Conv2d(in_channels, narrow, kernel_size=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, kernel_size=3, stride=stride, padding=1, bias=False),
            *_norm_relu_conv(narrow, out_channels),
        )
        reshapes = stride != 1 or in_channels != out_channels
        self.project = (
            nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False) if reshapes else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x in_channels x H x W -> N x out_channels x H / stride x W / stride."""
        activated = self.activate(x)
        shortcut = x if self.project is None else self.project(activated)
        total: Tensor = shortcut + self.bottleneck(activated)
        return total


def _stage(in_channels: int, out_channels: int, modules: int, stride: int, depth: int) -> nn.Sequential:
    attention = (AttentionModule(out_channels, depth) for _ in range(modules))
    return nn.Sequential(ResidualUnit(in_channels, out_channels, stride), *attention)


def _units(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualUnit(channels, channels) for _ in range(count)))


def _norm_relu_conv(in_channels: int, out_channels: int | None = None) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels or in_channels, kernel_size=1, bias=False)
    return nn.BatchNorm2d(in_channels), nn.ReLU(), convolution


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)
