"""Penultimate features of a classifier: what its last linear layer sees of each image, for attention pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items
from cytopipe.metrics.patients import EDGE, log_odds
from cytopipe.models.decision_rule import abnormality, calibrate
from cytopipe.models.heads import head_of
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import DecisionRule

BATCH = 64  # images per forward pass


def last_layer(model: nn.Module) -> nn.Module:
    """The last linear layer of a classifier's head; the head itself if it has none."""
    head = head_of(model)[1]
    linear = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    return linear[-1] if linear else head


def attention_inputs(
    model: nn.Module, transform: InputTransform, items: Items, rule: DecisionRule, classes: Sequence[str]
) -> np.ndarray:
    """What attention pooling sees of each image: its penultimate features and the log odds of being abnormal.

    Both are of the image as it stands, also where the classifier averages over turned images.

    Args:
        model: classifier on the device of the transform; left in evaluation mode.
        transform: transform of stored items.
        items: N x S x S x 5 uint8.
        rule: decision rule of the classifier.
        classes: its classes.

    Returns:
        N x (features + 1) float32.
    """
    seen: list[torch.Tensor] = []
    handle = last_layer(model).register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    features, probabilities = [], []
    model.eval()
    try:
        with torch.inference_mode():
            for _, batch in batches(items, BATCH):
                seen.clear()
                probabilities.append(torch.softmax(model(transform(batch)).double(), dim=1).cpu().numpy())
                values = seen[-1].float()
                features.append((values.flatten(2).mean(dim=2) if values.dim() > 2 else values).cpu().numpy())
    finally:
        handle.remove()
    scores = abnormality(calibrate(rule, np.concatenate(probabilities)), classes, rule.abnormal)
    odds = log_odds(np.clip(scores, EDGE, 1 - EDGE)).astype(np.float32)
    return np.concatenate([np.concatenate(features), odds[:, None]], axis=1)
