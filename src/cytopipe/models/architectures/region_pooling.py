"""A classifier of features that are pooled over nucleus, cytoplasm and image separately, at several scales.

Stages of dysplasia differ in the texture and colour of the nucleus relative to the cytoplasm. Feature maps of a
pretrained network are averaged inside each predicted region (masked average pooling: Zhang 2020, "SG-One",
arXiv:1810.09091). Maps of intermediate strides are used, because their textures transfer to cells better than the
object features of the last map (Yosinski 2014, arXiv:1411.1792). Standard deviations beside the means tell how uneven
a region is, and the shapes of cell and nucleus are what cytologists measure first (Jantzen 2005, "Pap-smear benchmark
data for pattern classification"). With a frozen backbone, the pooled features are a fixed description of the cell, and
only the small network on top is trained.
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import feature_encoder, feature_maps
from cytopipe.models.registry import Probability, register

PAPER = "Zhang 2020 (masked average pooling, arXiv:1810.09091), Yosinski 2014 (arXiv:1411.1792)"
COLOURS = 3
MASKS = 2  # whole cell, nucleus
SHAPES = 12  # numbers of `cell_shapes`
LEAST = 1e-3  # added to areas and deviations before their logarithm


@register("region_pooling", task="classification", paper=PAPER, input_size=224)
class RegionPooling(nn.Module):
    """Means of feature maps over image, nucleus and cytoplasm, the same for all quarter turns, and a small network.

    Args:
        num_classes: number of logits.
        in_channels: 3 for RGB (only the image is pooled), 5 for RGB with the masks of cell and nucleus.
        backbone: timm model.
        strides: strides of the feature maps to pool, input pixels per output pixel; 1 is the image itself.
        hidden: units of the hidden layer.
        dropout: dropout probability before and after the hidden layer.
        turns: number of quarter turns of the image to average over, 1 to 4; 4 makes the features invariant to them.
        spread: pool the standard deviation of each region beside its mean.
        shapes: add the shapes of cell and nucleus, once for each stride, so that they are not lost among the others.

    Raises:
        CytopipeError: in_channels or turns is out of range, the backbone lacks a stride, or shapes lack masks.
    """

    def __init__(
        self,
        num_classes: PositiveInt = 7,
        in_channels: PositiveInt = 5,
        backbone: str = "mobilenetv2_100",
        strides: tuple[PositiveInt, ...] = (8, 16),
        hidden: PositiveInt = 512,
        dropout: Probability = 0.5,
        turns: PositiveInt = 4,
        spread: bool = False,
        shapes: bool = False,
    ) -> None:
        super().__init__()
        if in_channels not in (COLOURS, COLOURS + MASKS):
            raise CytopipeError(f"{in_channels} channels are neither RGB nor RGB with two masks", where="in_channels")
        if turns > 4:
            raise CytopipeError(f"there are four quarter turns, not {turns}", where="turns")
        if shapes and in_channels == COLOURS:
            raise CytopipeError("without masks there are no shapes", where="shapes", hint="set channels: rgb+masks")
        self.turns, self.spread, self.shapes, self.image = turns, spread, len(strides) * shapes, 1 in strides
        self.backbone, channels = feature_encoder(backbone, COLOURS, [stride for stride in strides if stride > 1])
        values = sum(channels) + COLOURS * self.image
        width = values * (1 if in_channels == COLOURS else 1 + MASKS) * (1 + spread) + SHAPES * self.shapes
        self.classifier = nn.Sequential(
            nn.BatchNorm1d(width, affine=False),
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    @property
    def timm_backbone(self) -> nn.Module:
        """The submodule that takes pretrained weights."""
        return self.backbone

    @property
    def classifier_head(self) -> nn.Module:
        """The submodule that maps pooled features to logits."""
        return self.classifier

    def features(self, images: Tensor) -> Tensor:
        """Pooled features, N x D, of images N x in_channels x H x W, averaged over quarter turns."""
        turned = [torch.rot90(images, k, (2, 3)) for k in range(self.turns)]
        return torch.stack([self._means(one) for one in turned]).mean(0)

    def _means(self, images: Tensor) -> Tensor:
        weights = regions(images)
        maps = feature_maps(self.backbone, images[:, :COLOURS])
        if self.image:
            maps = [images[:, :COLOURS], *maps]
        parts = [pool(one, weights).flatten(1) for one in maps]
        if self.spread:
            parts += [deviations(one, weights).flatten(1) for one in maps]
        if self.shapes:
            parts += [cell_shapes(weights)] * self.shapes
        return torch.cat(parts, dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x num_classes for images N x in_channels x H x W; in training mode N > 1 (batch norm)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def regions(images: Tensor) -> Tensor:
    """Regions N x R x H x W as weights 0 or 1: the image and, if masks follow the colours, nucleus and cytoplasm.

    Masks are normalised like the colours: values above 0 are inside.
    """
    image = torch.ones_like(images[:, :1])
    if images.shape[1] == COLOURS:
        return image
    cell, nucleus = (images[:, COLOURS:] > 0).to(images.dtype).split(1, dim=1)
    return torch.cat([image, nucleus, cell * (1 - nucleus)], dim=1)


def pool(features: Tensor, weights: Tensor) -> Tensor:
    """Means N x R x C of features N x C x h x w, weighted by N x R x H x W; 0 for an empty region."""
    shares = F.adaptive_avg_pool2d(weights, (features.shape[2], features.shape[3])).flatten(2)
    total = shares.sum(2, keepdim=True)
    means = shares @ features.flatten(2).transpose(1, 2)
    return means / torch.where(total > 0, total, 1)


def deviations(features: Tensor, weights: Tensor) -> Tensor:
    """Standard deviations N x R x C, weighted as in `pool`; 0 for an empty region."""
    means = pool(features, weights)
    spread: Tensor = (pool(features.square(), weights) - means.square()).clamp_min(0).sqrt()
    return spread


def cell_shapes(weights: Tensor) -> Tensor:
    """Shapes N x 12 of cell and nucleus from regions N x 3 x H x W (image, nucleus, cytoplasm).

    For each of the two: logarithms of the area (fraction of the image), of the larger and the smaller standard
    deviation of its pixels' places (the image is 2 wide and high) and of their ratio, and the area over that of the
    ellipse with these deviations. Then how far the nucleus lies from the middle of the cell, and the logarithmic ratio
    of the areas. Turning the image changes none.
    """
    nucleus, cell = weights[:, 1], weights[:, 1] + weights[:, 2]
    outlines = [_ellipse(one) for one in (cell, nucleus)]
    (around, cells), (inside, nuclei) = outlines
    apart = (around - inside).square().sum(1, keepdim=True).sqrt()
    return torch.cat([cells, nuclei, apart, nuclei[:, :1] - cells[:, :1]], dim=1)


def _ellipse(region: Tensor) -> tuple[Tensor, Tensor]:
    """The middle, N x 2, and five shapes, N x 5, of a region N x H x W; those of an empty one are finite."""
    height, width = region.shape[1:]
    y, x = torch.meshgrid(_places(height, region), _places(width, region), indexing="ij")
    area = region.mean((1, 2))
    total = area.clamp_min(1 / (height * width))

    def mean(values: Tensor) -> Tensor:
        return (region * values).mean((1, 2)) / total

    middle_x, middle_y = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - middle_x**2, mean(y * y) - middle_y**2, mean(x * y) - middle_x * middle_y
    apart = ((xx - yy).square() + 4 * xy.square()).sqrt()
    longer, shorter = (((xx + yy + sign * apart) / 2).clamp_min(0).sqrt() + LEAST for sign in (1, -1))
    filled = area / (torch.pi * longer * shorter)  # half-axes are twice these deviations, on sides of length 2
    logs = [(area + LEAST).log(), longer.log(), shorter.log(), (shorter / longer).log()]
    return torch.stack([middle_x, middle_y], dim=1), torch.stack([*logs, filled], dim=1)


def _places(count: int, like: Tensor) -> Tensor:
    """Places of pixels along a side, from -1 to 1."""
    return torch.linspace(-1, 1, count, dtype=like.dtype, device=like.device)
