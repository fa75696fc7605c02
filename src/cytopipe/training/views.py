"""Objectives that need no labels: a network learns to give two random views of an image the same features.

SimSiam: Chen and He 2021, "Exploring Simple Siamese Representation Learning", arXiv:2011.10566. VICReg: Bardes et al.
2022, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", arXiv:2105.04906.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import Items
from cytopipe.models.heads import head_of, inputs_of

PROJECTED = 512  # dimensions in which views are compared
BOTTLENECK = 128  # hidden units of SimSiam's predictor
VICREG = (25.0, 25.0, 1.0)  # weights of invariance, variance and covariance, as in the paper


class TwoViews:
    """Augments each item twice; the draws depend only on (seed, view, epoch, index). An augmenter for `TrainingLoader`.

    Args:
        config: how views differ.
        seed: the training's.
    """

    def __init__(self, config: Augmentation, seed: int) -> None:
        seeds = (int(np.random.SeedSequence([seed, 0x51E3, view]).generate_state(1)[0]) for view in range(2))
        self._views = [Augmenter(config, one) for one in seeds]

    def __call__(
        self, items: Items, epoch: int, indices: Sequence[int] | np.ndarray, channels: int | None = None
    ) -> np.ndarray:
        """Both views of the items with these indices, N x 2 x S x S x channels uint8."""
        return np.stack([view(items, epoch, indices, channels) for view in self._views], axis=1)


class Projected(nn.Module):
    """A classifier without its head, and two layers that project its features to the space of the comparison.

    Args:
        model: the classifier.
        features: number of its features, the inputs of its head.
        predictor: add SimSiam's predictor, another network of two layers.
    """

    def __init__(self, model: nn.Module, features: int, predictor: bool) -> None:
        super().__init__()
        self.model = model
        self.projector = nn.Sequential(
            nn.Linear(features, PROJECTED, bias=False),
            nn.BatchNorm1d(PROJECTED),
            nn.ReLU(),
            nn.Linear(PROJECTED, PROJECTED, bias=False),
            nn.BatchNorm1d(PROJECTED, affine=not predictor),
        )
        layers = (
            nn.Linear(PROJECTED, BOTTLENECK, bias=False),
            nn.BatchNorm1d(BOTTLENECK),
            nn.ReLU(),
            nn.Linear(BOTTLENECK, PROJECTED),
        )
        self.predictor = nn.Sequential(*layers) if predictor else nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Projections, and what the predictor makes of them, both N x PROJECTED, for images N x C x H x W."""
        projected = self.projector(pooled_features(self.model, images).float())
        return projected, self.predictor(projected)


def pooled_features(model: nn.Module, images: Tensor) -> Tensor:
    """What enters a classifier's head, averaged over positions and over repeated calls of the head, N x D."""
    with inputs_of(head_of(model)[1]) as seen:
        model(images)
    return torch.stack([_pooled(values) for values in seen]).mean(0)


def _pooled(values: Tensor) -> Tensor:
    """N x D from N x D, tokens N x T x D, or feature maps N x D x H x W."""
    if values.ndim == 2:
        return values
    return values.mean((2, 3)) if values.ndim == 4 else values.flatten(1, -2).mean(1)


def simsiam_loss(projected: tuple[Tensor, Tensor], predicted: tuple[Tensor, Tensor]) -> Tensor:
    """Mean negative cosine of each view's prediction and the other view's projection, which has no gradient.

    Scalar from -1 (equal views) to 1, from two pairs of tensors N x D.
    """
    first = F.cosine_similarity(predicted[0], projected[1].detach(), dim=1).mean()
    second = F.cosine_similarity(predicted[1], projected[0].detach(), dim=1).mean()
    loss: Tensor = -(first + second) / 2
    return loss


def vicreg_loss(first: Tensor, second: Tensor) -> Tensor:
    """Weighted sum of the squared distance of two views, of standard deviations below 1, and of covariances.

    Scalar of at least 0, from two tensors N x D with N > 1.
    """
    invariance = F.mse_loss(first, second)
    variance = sum(F.relu(1 - (one.var(dim=0) + 1e-4).sqrt()).mean() for one in (first, second)) / 2
    covariance = sum(_covariance(one) for one in (first, second))
    return VICREG[0] * invariance + VICREG[1] * variance + VICREG[2] * covariance


def _covariance(values: Tensor) -> Tensor:
    """Sum of the squared covariances of different dimensions, divided by the number of dimensions."""
    centred = values - values.mean(dim=0)
    covariance = centred.T @ centred / (len(values) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / values.shape[1]


def spread(projected: Tensor) -> Tensor:
    """Standard deviation of the normalised projections N x D over the images, times sqrt(D), scalar.

    Near 1 where they fill the space; 0 if all images have the same, so that nothing was learnt (SimSiam, figure 2).
    """
    unit = F.normalize(projected.detach().float(), dim=1)
    found: Tensor = unit.std(dim=0).mean() * projected.shape[1] ** 0.5
    return found
