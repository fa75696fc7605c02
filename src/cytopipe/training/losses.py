"""Losses of classifiers for class indices and soft targets, with class weights and label smoothing.

Each loss is a weighted mean over images. The weight of an image is the weight of its class; for a soft target, the mean
of the class weights under the target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.core.params import Training
from cytopipe.training.data import class_weights

Name = Literal["ce", "bce", "smooth_l1", "focal"]


@dataclass(frozen=True)
class Loss:
    """A classification loss.

    Attributes:
        name: "ce": cross-entropy. "bce": binary cross-entropy of every class against the rest, summed over classes;
            for a binary network with logits (0, z), the gradients are those of the binary cross-entropy of z.
            "smooth_l1": smooth L1 distance of the softmax probabilities (Huber 1964, beta 1), summed over classes.
            "focal": cross-entropy times (1 - p)^gamma (Lin 2017, arXiv:1708.02002).
        weights: class weights, C float32, on the device of the logits; None weights all classes equally.
        label_smoothing: share of the target that is spread evenly over all classes (Szegedy 2016, arXiv:1512.00567).
        gamma: exponent of the focal loss.
    """

    name: Name = "ce"
    weights: torch.Tensor | None = None
    label_smoothing: float = 0.0
    gamma: float = 2.0

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of a batch (scalar).

        Args:
            logits: N x C, float32.
            target: N class indices (int64), or soft targets, N x C float32 with rows that sum to 1.
        """
        # With class weights and smoothing, torch's own selects weights by a mask: the host would wait for the device.
        own = self.weights is None or not self.label_smoothing
        if self.name == "ce" and not target.is_floating_point() and own:
            return F.cross_entropy(logits, target, weight=self.weights, label_smoothing=self.label_smoothing)
        classes = logits.shape[1]
        shares = target if target.is_floating_point() else one_hot(target, classes)
        smoothed = shares * (1 - self.label_smoothing) + self.label_smoothing / classes
        weights = torch.ones_like(logits[0]) if self.weights is None else self.weights
        of_images = shares @ weights
        if self.name in ("ce", "focal"):
            total = (smoothed * weights * self._surprise(logits)).sum()
        else:
            total = (of_images * self._distance(logits, smoothed)).sum()
        return total / of_images.sum()

    def mass(self, target: torch.Tensor) -> torch.Tensor:
        """Sum of the weights of the images of a batch, by which its loss is divided (scalar)."""
        if self.weights is None:
            return torch.full((), float(len(target)), device=target.device)
        of_images = target @ self.weights if target.is_floating_point() else self.weights[target]
        return of_images.sum()

    @property
    def unsmoothed(self) -> Loss:
        """The same loss without label smoothing, for validation."""
        return replace(self, label_smoothing=0.0)

    def _surprise(self, logits: torch.Tensor) -> torch.Tensor:
        """Loss of each image for each class as its true class, N x C."""
        logs = F.log_softmax(logits, dim=1)
        if self.name == "ce":
            return -logs
        # For p = 1, the base 1 - p is 0, where a power below 1 has an infinite derivative.
        missing = (1 - logs.exp()).clamp(min=torch.finfo(logs.dtype).eps)
        return -logs * missing**self.gamma

    def _distance(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of each image for a soft target, summed over classes, N."""
        if self.name == "bce":
            return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)
        return F.smooth_l1_loss(torch.softmax(logits, dim=1), target, reduction="none").sum(dim=1)


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """N class indices -> N x classes float32; torch's own reads the labels back to check them."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def make_loss(recipe: Training, labels: np.ndarray, classes: int, device: torch.device) -> Loss:
    """The loss of a recipe; balanced class weights are computed from the training labels (N class indices)."""
    weights = class_weights(labels.tolist(), classes).to(device) if recipe.class_weights == "balanced" else None
    return Loss(recipe.loss, weights, recipe.label_smoothing, recipe.focal_gamma)
