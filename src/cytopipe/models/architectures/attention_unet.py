"""Dual-head attention U-Net on a ConvNeXt encoder: cytoplasm and nucleus of a cell.

System B of the five that cytopipe reproduces (dual-stage ConvNeXt, SIPaKMeD), built from
    Oktay et al. 2018, "Attention U-Net", arXiv:1804.03999 (gates on the skip connections)
    Woo et al. 2018, "CBAM", arXiv:1807.06521 (attention inside the decoder's blocks)
    Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545 (the encoder)

With convnext_tiny: 35,515,442 parameters = encoder 27,818,592 + 2 decoders of 3,848,360 + 2 heads of 65.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, cat, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import feature_encoder, feature_maps
from cytopipe.models.layers import CBAM, AttentionGate
from cytopipe.models.registry import register

STRIDES = (4, 8, 16, 32)

Widths = tuple[PositiveInt, PositiveInt, PositiveInt]
Heads = Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...], Field(min_length=1)]


@register(
    "attention_unet",
    task="segmentation",
    paper="Oktay 2018 (Attention U-Net, arXiv:1804.03999), Woo 2018 (CBAM, arXiv:1807.06521)",
    input_size=256,
)
class DualHeadAttConvNeXtUNet(nn.Module):
    """Attention U-Net with one shared timm encoder and one decoder for each structure.

    Args:
        encoder: timm model whose feature maps include strides 4, 8, 16 and 32.
        decoder_widths: channels after each of the three decoder blocks, from deep to shallow.
        in_channels: channels of the image.
        heads: name of each structure; each has its own decoder.

    Raises:
        CytopipeError: a head is named twice, or the encoder lacks one of the strides.
    """

    def __init__(
        self,
        encoder: str = "convnext_tiny",
        decoder_widths: Widths = (256, 128, 64),
        in_channels: PositiveInt = 3,
        heads: Heads = ("cyt", "nuc"),
    ) -> None:
        super().__init__()
        if len(set(heads)) < len(heads):
            raise CytopipeError(f"argument 'heads' names a structure twice: {heads}", where="attention_unet")
        self.encoder, channels = feature_encoder(encoder, in_channels, STRIDES)
        self.decoders = nn.ModuleDict({head: Decoder(channels, decoder_widths) for head in heads})
        self.heads = nn.ModuleDict({head: nn.Conv2d(decoder_widths[-1], 1, kernel_size=1) for head in heads})

    @property
    def timm_backbone(self) -> nn.Module:
        """The submodule that takes pretrained weights."""
        return self.encoder

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits of each head, N x 1 x H x W, by name, for images N x in_channels x H x W.

        Raises:
            CytopipeError: H or W is not a multiple of 32.
        """
        height, width = images.shape[-2:]
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise CytopipeError(
                f"an image of {height} x {width} px does not fit: both sides must be multiples of 32",
                where="attention_unet",
                hint="pad or resize it first",
            )
        features = feature_maps(self.encoder, images)
        return {name: head(self.decoders[name](features)) for name, head in self.heads.items()}


class Decoder(nn.Module):
    """Three up blocks from stride 32 to 4, then one transposed convolution to full resolution.

    Args:
        channels: channels of the encoder's features at strides 4, 8, 16 and 32.
        widths: channels after each block, from deep to shallow.
    """

    def __init__(self, channels: list[int], widths: Widths) -> None:
        super().__init__()
        deep_to_shallow = pairwise([channels[-1], *widths])
        self.blocks = nn.ModuleList(
            UpBlock(inputs, skip, outputs)
            for (inputs, outputs), skip in zip(deep_to_shallow, channels[-2::-1], strict=True)
        )
        self.upsample = nn.Sequential(
            nn.ConvTranspose2d(widths[-1], widths[-1], kernel_size=4, stride=4),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features at strides 4, 8, 16, 32 -> N x widths[-1] x H x W at stride 1."""
        x = features[-1]
        for block, skip in zip(self.blocks, features[-2::-1], strict=True):
            x = block(x, skip)
        upsampled: Tensor = self.upsample(x)
        return upsampled


class UpBlock(nn.Module):
    """Decoder block: upsample by two, gate the skip connection, concatenate, convolve, CBAM, convolve.

    Args:
        in_channels: channels of the coarser features.
        skip_channels: channels of the skip connection, at twice the resolution.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.gate = AttentionGate(out_channels, skip_channels, hidden=max(out_channels // 2, 1))
        self.fuse = _conv_bn_relu(out_channels + skip_channels, out_channels)
        self.attend = CBAM(out_channels)
        self.refine = _conv_bn_relu(out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """N x in_channels x H x W and N x skip_channels x 2H x 2W -> N x out_channels x 2H x 2W."""
        x = self.up(x)
        fused = self.fuse(cat([x, self.gate(x, skip)], dim=1))
        refined: Tensor = self.refine(self.attend(fused))
        return refined


def _conv_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
