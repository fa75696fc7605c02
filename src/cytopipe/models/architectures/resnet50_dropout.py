"""ResNet-50 with dropout before its linear layer, trained end to end.

System D of the five that cytopipe reproduces (interpretable attention networks, SIPaKMeD); after
    He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv:1512.03385
    Srivastava et al. 2014, "Dropout", JMLR 15:1929-1958

23,518,277 parameters for 5 classes.
"""

from __future__ import annotations

from pydantic import PositiveInt

from cytopipe.models.architectures.timm_models import TimmBackbone
from cytopipe.models.registry import Probability, register


@register("resnet50_dropout", task="classification", paper="He 2016 (ResNet, arXiv:1512.03385)", input_size=224)
class ResNetDropout(TimmBackbone):
    """ResNet-50 with dropout before its linear layer.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        backbone: name of a timm model.
        dropout: dropout probability before the linear layer.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 5,
        in_channels: PositiveInt = 3,
        backbone: str = "resnet50",
        dropout: Probability = 0.5,
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, in_chans=in_channels, drop_rate=dropout)
