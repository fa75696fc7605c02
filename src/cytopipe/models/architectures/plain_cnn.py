"""A plain convolutional network whose depth, width, kernel sizes and activation are arguments, for searches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import Probability, register

KernelSize = Annotated[int, Field(ge=1, le=15)]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
}


@register("plain_cnn", task="classification", paper="LeCun 1998 (doi:10.1109/5.726791)", input_size=64)
class PlainCNN(nn.Module):
    """Blocks of convolution, batch normalisation and activation, each at half the side of the one before.

    The first block keeps the side of the image; widths double from block to block, up to 16 times the first. Batch
    normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167) lets deep and shallow ones train with the same recipe, and
    global average pooling (Lin et al. 2014, arXiv:1312.4400) makes every size of image fit.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        depth: number of blocks.
        width: filters of the first block.
        kernel_sizes: side of the kernels in pixels, odd: one for all blocks, or one for each.
        activation: relu, leaky_relu, elu, gelu, silu or mish.
        convolutions: convolutions of each block.
        dropout: dropout probability before the linear layer.

    Raises:
        CytopipeError: a kernel size is even, or there is neither one nor one for each block.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 3,
        depth: Annotated[int, Field(ge=1, le=8)] = 3,
        width: PositiveInt = 16,
        kernel_sizes: Annotated[tuple[KernelSize, ...], Field(min_length=1)] | KernelSize = 3,
        activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "mish"] = "relu",
        convolutions: Annotated[int, Field(ge=1, le=4)] = 1,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = in_channels
        for block, kernel in enumerate(_kernels(kernel_sizes, depth)):
            outputs = width * min(2**block, 16)
            if block:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))  # a side of 1 px stays 1 px
            for _ in range(convolutions):
                layers += [
                    nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
                    nn.BatchNorm2d(outputs),
                    ACTIVATIONS[activation](),
                ]
                inputs = outputs
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, num_classes))

    @property
    def classifier_head(self) -> nn.Module:
        """The part from pooled features to logits."""
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _kernels(sizes: tuple[int, ...] | int, depth: int) -> tuple[int, ...]:
    given = (sizes,) if isinstance(sizes, int) else sizes
    kernels = given * depth if len(given) == 1 else given
    if len(kernels) != depth:
        raise CytopipeError(
            f"{len(given)} kernel_sizes for {depth} blocks", where="plain_cnn", hint="give one, or one for each block"
        )
    if even := [size for size in kernels if size % 2 == 0]:
        raise CytopipeError(f"kernel size {even[0]} is even", where="plain_cnn", hint="use an odd one: 3, 5, 7")
    return kernels
