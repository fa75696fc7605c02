"""Losses of classifiers, for class indices and for soft targets alike, weighted by class and smoothed.

Each is a mean over images; an image weighs as much as its class (of a soft target: the mean of its classes' weights).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.params import Training
from cytopipe.training.data import class_weights

Name = Literal["ce", "bce", "smooth_l1", "focal"]


@dataclass(frozen=True)
class Loss:
    """A classification loss.

    Attributes:
        name: "ce": cross-entropy. "bce": binary cross-entropy of every class against the rest, summed over classes;
            a binary network with logits (0, z) trains as with the binary cross-entropy of z. "smooth_l1": of the
            softmax probabilities (Huber 1964, beta 1), summed over classes. "focal": cross-entropy times
            (1 - p)^gamma (Lin 2017, arXiv:1708.02002).
        weights: of the classes (C), on the logits' device; None weighs all alike.
        label_smoothing: share of the target that is spread evenly over all classes (Szegedy 2016, arXiv:1512.00567).
        gamma: of the focal loss.
    """

    name: Name = "ce"
    weights: torch.Tensor | None = None
    label_smoothing: float = 0.0
    gamma: float = 2.0

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of a batch (scalar).

        Args:
            logits: N x C, float32.
            target: N class indices (int64), or the shares of all classes, N x C float32 with rows that sum to 1.
        """
        if self.name == "ce" and not target.is_floating_point():
            # torch's own, to the bit: what is trained on plain labels keeps its results.
            return F.cross_entropy(logits, target, weight=self.weights, label_smoothing=self.label_smoothing)
        classes = logits.shape[1]
        shares = target if target.is_floating_point() else F.one_hot(target, classes).to(logits.dtype)
        smoothed = shares * (1 - self.label_smoothing) + self.label_smoothing / classes
        weights = torch.ones_like(logits[0]) if self.weights is None else self.weights
        of_images = shares @ weights
        if self.name in ("ce", "focal"):
            total = (smoothed * weights * self._surprise(logits)).sum()
        else:
            total = (of_images * self._distance(logits, smoothed)).sum()
        return total / of_images.sum()

    @property
    def unsmoothed(self) -> Loss:
        """The same for validation."""
        return replace(self, label_smoothing=0.0)

    def _surprise(self, logits: torch.Tensor) -> torch.Tensor:
        """N x C: what an image of this class alone costs."""
        logs = F.log_softmax(logits, dim=1)
        if self.name == "ce":
            return -logs
        # 1 - p of a certain class is 0, where a power below 1 has an infinite slope.
        missing = (1 - logs.exp()).clamp(min=torch.finfo(logs.dtype).eps)
        return -logs * missing**self.gamma

    def _distance(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """N: from the target's shares, summed over classes."""
        if self.name == "bce":
            return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)
        return F.smooth_l1_loss(torch.softmax(logits, dim=1), target, reduction="none").sum(dim=1)


def make_loss(recipe: Training, labels: np.ndarray, classes: int, device: torch.device) -> Loss:
    """The recipe's loss; balanced weights are those of these training labels."""
    weights = class_weights(labels.tolist(), classes).to(device) if recipe.class_weights == "balanced" else None
    return Loss(recipe.loss, weights, recipe.label_smoothing, recipe.focal_gamma)
