"""A small CNN that distinguishes patches with a cell from background.

System A of the five that cytopipe reproduces (two-stage Pap smear CNN), stage 1; after
    LeCun et al. 1998, "Gradient-based learning applied to document recognition", doi:10.1109/5.726791

20 x 20 x 3 patches scaled to 0-1, 7,060 parameters: convolution 3,010, dense layers 4,016 and 34.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cytopipe.models.layers import glorot, require_side
from cytopipe.models.registry import Probability, register

KERNEL = 10


@register("cell_background", task="classification", paper="LeCun 1998 (LeNet, doi:10.1109/5.726791)", input_size=20)
class CellBackgroundCNN(nn.Module):
    """One convolution of 10 x 10 px and two dense layers, for patches of 20 px.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        width: filters of the convolution.
        hidden: units of the first dense layer.
        input_size: side of the image, pixels; the dense layers have a fixed size.
        dropout: dropout probability after the pooling.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 3,
        width: PositiveInt = 10,
        hidden: PositiveInt = 16,
        input_size: Annotated[int, Field(gt=KERNEL)] = 20,
        dropout: Probability = 0.3,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=KERNEL), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout)
        )
        pooled = (input_size - KERNEL + 1) // 2
        self.classifier = nn.Sequential(nn.Linear(width * pooled**2, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
        self.apply(glorot)

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps features to logits."""
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x input_size x input_size; others raise CytopipeError."""
        require_side(images, self.input_size, "cell_background")
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits
