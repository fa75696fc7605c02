"""ConvNeXt classifier with channel attention and multi-head self-attention, on RGB + predicted masks.

System B of the five that cytopipe reproduces (dual-stage ConvNeXt, SIPaKMeD), built from
    Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545 (the backbone)
    Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507
    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762

Both variants have 29,474,917 parameters for 5 classes and 5 channels (backbone 27,821,664, without
timm's head and its norm):

`convnext_attention`
    as published: self-attention over the pooled vector, a sequence of length 1. Its softmax is always 1, so
    the query and key projections get no gradient and the block reduces to a linear layer.
`convnext_token_attention`
    corrected: the same layers, but attention runs over the H x W positions of the last feature map
    before they are pooled.
"""

from __future__ import annotations

from pydantic import PositiveInt
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import feature_encoder, feature_maps
from cytopipe.models.layers import SqueezeExcitation
from cytopipe.models.registry import Probability, register

PAPER = "Liu 2022 (ConvNeXt, arXiv:2201.03545), Hu 2018 (SE, arXiv:1709.01507), Vaswani 2017 (arXiv:1706.03762)"


@register("convnext_attention", task="classification", paper=PAPER, input_size=256)
class ConvNeXtAttentionClassifier(nn.Module):
    """ConvNeXt + SE + self-attention over the pooled vector, as published (query and key stay untrained).

    Args:
        num_classes: number of logits.
        in_channels: 3 for RGB, 5 for RGB with the masks of cell and nucleus.
        backbone: timm model; its last feature map is used.
        widths: units of the two hidden linear layers; attention works on the output of the first.
        attention_heads: number of heads; a divisor of widths[0].
        dropout: dropout probability after each hidden layer.

    Raises:
        CytopipeError: attention_heads does not divide widths[0].
    """

    def __init__(
        self,
        num_classes: PositiveInt = 5,
        in_channels: PositiveInt = 5,
        backbone: str = "convnext_tiny",
        widths: tuple[PositiveInt, PositiveInt] = (512, 256),
        attention_heads: PositiveInt = 4,
        dropout: tuple[Probability, Probability] = (0.4, 0.3),
    ) -> None:
        super().__init__()
        wide, narrow = widths
        if wide % attention_heads:
            raise CytopipeError(f"{attention_heads} does not divide widths[0] = {wide}", where="attention_heads")
        self.backbone, channels = feature_encoder(backbone, in_channels)
        self.recalibrate = SqueezeExcitation(channels[-1])
        self.embed = _linear_bn_relu(channels[-1], wide, dropout[0])
        self.attention = nn.MultiheadAttention(wide, attention_heads, batch_first=True)
        self.norm = nn.LayerNorm(wide)
        self.classifier = nn.Sequential(*_linear_bn_relu(wide, narrow, dropout[1]), nn.Linear(narrow, num_classes))

    @property
    def timm_backbone(self) -> nn.Module:
        """The submodule that takes pretrained weights."""
        return self.backbone

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps the mean of the tokens after attention to logits."""
        return self.classifier

    def tokens(self, features: Tensor) -> Tensor:
        """Tokens for self-attention, N x 1 x C: the spatial mean of the features N x C x H x W."""
        return features.mean((2, 3)).unsqueeze(1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W; in training mode N > 1 (batch norm)."""
        tokens = self.tokens(self.recalibrate(feature_maps(self.backbone, images)[-1]))
        # Batch normalisation treats each token as a separate sample.
        tokens = self.embed(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        logits: Tensor = self.classifier(self.norm(tokens + attended).mean(1))
        return logits


@register("convnext_token_attention", task="classification", paper=PAPER, input_size=256)
class ConvNeXtTokenAttentionClassifier(ConvNeXtAttentionClassifier):
    """ConvNeXt + SE + self-attention over the positions of the last feature map, pooled afterwards.

    Arguments and parameter count are those of `convnext_attention`.
    """

    def tokens(self, features: Tensor) -> Tensor:
        """Tokens for self-attention, N x HW x C: the positions of the features N x C x H x W."""
        return features.flatten(2).transpose(1, 2)


def _linear_bn_relu(in_features: int, out_features: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_features, out_features), nn.BatchNorm1d(out_features), nn.ReLU(), nn.Dropout(dropout)
    )
