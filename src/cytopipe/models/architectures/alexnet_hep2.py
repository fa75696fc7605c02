"""AlexNet with frozen features and a deeper head, for HEp-2 specimens.

System C of the five that cytopipe reproduces (HEp-2 AlexNet); after
    Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997

61,106,846 parameters for 6 classes, of which the 58,637,150 of the head are trainable. `features` has the layers and
keys of torchvision's AlexNet and takes its ImageNet weights; the head starts from random weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn

from cytopipe.models.heads import freeze_backbone
from cytopipe.models.layers import adaptive_mean, he, require_at_least
from cytopipe.models.pretrained import IMAGENET
from cytopipe.models.registry import Probability, register

SMALLEST = 63  # side of the smallest image that leaves one position after the last pooling, pixels
MAP = 6  # side of the pooled feature map


@register("alexnet_hep2", task="classification", paper="Krizhevsky 2014 (AlexNet, arXiv:1404.5997)", input_size=300)
class AlexNetHEp2(nn.Module):
    """AlexNet whose convolutions are frozen; a head of four dense layers is trained.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        width: filters of the first convolution; all other widths follow in AlexNet's proportions.
        frozen: whether the convolutions are frozen; False trains them too, from He's initialisation if no weights are
            given.
        dropout: dropout probability before each of the first three dense layers.
    """

    pretrained_cfg: ClassVar[dict[str, Any]] = {
        "architecture": "alexnet",
        "library": "torchvision",
        "first_conv": "features.0",
        "classifier": ("classifier", "head"),  # torchvision's and this one
        **IMAGENET._asdict(),
    }

    def __init__(
        self,
        num_classes: PositiveInt = 6,
        in_channels: PositiveInt = 3,
        width: PositiveInt = 64,
        frozen: bool = True,
        dropout: Probability = 0.5,
    ) -> None:
        super().__init__()
        hidden, bottleneck = 64 * width, max(1000 * width // 64, 1)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(width, 3 * width, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(3 * width, 6 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width * MAP**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, bottleneck),
            nn.ReLU(),
            nn.Linear(bottleneck, num_classes),
        )
        if frozen:
            freeze_backbone(self, self.head)
        else:
            self.apply(he)  # nine layers without normalisation do not start to learn from torch's default

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps flattened features to logits."""
        return self.head

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W with H, W >= 63; others raise CytopipeError."""
        require_at_least(images, SMALLEST, "alexnet_hep2")
        logits: Tensor = self.head(adaptive_mean(self.features(images), MAP).flatten(1))
        return logits
