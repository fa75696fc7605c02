"""A VGG-like network of six convolutions for infected and uninfected blood cells.

System E of the five that cytopipe reproduces (malaria, two classes); after
    Simonyan and Zisserman 2015, "Very Deep Convolutional Networks", arXiv:1409.1556

141 x 141 x 3 images scaled to 0-1, 6,029,441 parameters: convolutions 425,344, dense layers 5,604,097.

The published network ends in one sigmoid unit with logit z. Since classifiers here return one logit per class, this one
returns [0, z]: the softmax is [1 - sigmoid(z), sigmoid(z)], and the cross-entropy is the binary cross-entropy of z.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.layers import glorot, require_side
from cytopipe.models.registry import Probability, register

SMALLEST = 42  # side of the smallest image that leaves one position after the last pooling, pixels


@register("malaria_vgg", task="classification", paper="Simonyan 2015 (VGG, arXiv:1409.1556)", input_size=141)
class MalariaVGG(nn.Module):
    """Six convolutions of 3 x 3 px and three dense layers with one sigmoid unit, as the two logits [0, z].

    Args:
        num_classes: must be 2; the parameter exists because every classifier has it.
        in_channels: channels of the image.
        width: filters of the first convolution; all other widths follow in proportion.
        input_size: side of the image, pixels; the dense layers have a fixed size.
        dropout: dropout probability before the dense layers.

    Raises:
        CytopipeError: num_classes is not 2.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 3,
        width: PositiveInt = 32,
        input_size: Annotated[int, Field(ge=SMALLEST)] = 141,
        dropout: Probability = 0.3,
    ) -> None:
        super().__init__()
        if num_classes != 2:
            raise CytopipeError(
                f"one sigmoid unit tells 2 classes apart, not {num_classes}",
                where="malaria_vgg",
                hint="choose another architecture",
            )
        self.input_size = input_size
        self.features = nn.Sequential(
            *_convolutions(in_channels, width),
            nn.MaxPool2d(2),
            *_convolutions(width, 2 * width, 2 * width),
            nn.MaxPool2d(2),
            *_convolutions(2 * width, 4 * width, 4 * width, 4 * width),
            nn.MaxPool2d(2),
        )
        # A convolution without padding takes 2 px off, a pooling halves the side and rounds down.
        pooled = (((input_size - 2) // 2 - 4) // 2 - 6) // 2
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width * pooled**2, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, 1),
            SigmoidAsSoftmax(),
        )
        self.apply(glorot)

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps flattened features to logits."""
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits [0, z], N x 2, for images N x in_channels x input_size x input_size; others raise CytopipeError."""
        require_side(images, self.input_size, "malaria_vgg")
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


class SigmoidAsSoftmax(nn.Module):
    """Turns the logit z of a sigmoid unit into the logits [0, z] of a softmax, whose second class is sigmoid(z)."""

    def forward(self, logit: Tensor) -> Tensor:
        """Logit N x 1 -> logits N x 2."""
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def _convolutions(in_channels: int, *widths: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in zip((in_channels, *widths), widths, strict=False):
        layers += [nn.Conv2d(inputs, outputs, kernel_size=3), nn.ReLU()]
    return layers
