"""ResNet-50 as a fixed feature extractor with one trained linear layer.

System A of the five that cytopipe reproduces (two-stage Pap smear CNN), stage 2; after
    He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv:1512.03385

Both variants have 23,516,228 parameters for 4 classes, 8,196 of them trainable:

`resnet50_frozen`
    corrected: the running statistics of batch normalisation are frozen too.
`resnet50_frozen_drifting`
    as published: in training mode, the running statistics of the frozen part drift to those of the new images, so the
    tested network normalises differently from the pretrained one.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt

from cytopipe.models.architectures.timm_models import TimmBackbone
from cytopipe.models.heads import freeze_backbone
from cytopipe.models.registry import register

PAPER = "He 2016 (ResNet, arXiv:1512.03385)"


@register("resnet50_frozen", task="classification", paper=PAPER, input_size=224)
class FrozenResNet(TimmBackbone):
    """ResNet-50 of which only the new linear layer is trained.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        backbone: name of a timm model.
    """

    statistics_drift: ClassVar[bool] = False

    def __init__(self, num_classes: PositiveInt = 4, in_channels: PositiveInt = 3, backbone: str = "resnet50") -> None:
        super().__init__(backbone, num_classes=num_classes, in_chans=in_channels)
        freeze_backbone(self, self.classifier_head)


@register("resnet50_frozen_drifting", task="classification", paper=PAPER, input_size=224)
class DriftingResNet(FrozenResNet):
    """ResNet-50 with frozen weights whose batch statistics drift while the linear layer is trained, as published.

    Arguments and parameter counts are those of `resnet50_frozen`.
    """

    statistics_drift: ClassVar[bool] = True
