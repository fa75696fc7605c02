"""Class probabilities of stored items, and their features."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items
from cytopipe.models.ensemble import probabilities_of
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.penultimate import mean_of_calls, watch_features
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import ModelSpec

BATCH = 64  # images per forward pass; results depend slightly on it


def input_transform(spec: ModelSpec, device: torch.device) -> InputTransform:
    """The transform from stored items to the input of the classifier that `spec` describes."""
    return InputTransform(spec.channels, spec.mean, spec.std, device, spec.network_size)


def class_probabilities(
    model: nn.Module, transform: InputTransform, items: Items, batch_size: int = BATCH, tta: int = 1
) -> np.ndarray:
    """Predict class probabilities, in fp32 and evaluation mode.

    Args:
        model: returns N x classes logits, or is the mean of several that do; left in evaluation mode.
        transform: transform of stored items to the model's input.
        items: N x S x S x 5 uint8.
        batch_size: images per forward pass.
        tta: 1, or 8 to average over all quarter turns and reflections.

    Returns:
        N x classes float64 in the order of the items; rows sum to 1.
    """
    return probabilities_and_features(model, transform, items, batch_size, tta)[0]


def probabilities_and_features(
    model: nn.Module, transform: InputTransform, items: Items, batch_size: int = BATCH, tta: int = 1
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict class probabilities, and the features of the penultimate layer, in one pass.

    Args:
        model, transform, items, batch_size, tta: see `class_probabilities`; `tta` averages features too.

    Returns:
        N x classes float64, and N x D float64; None for a model without a single head.
    """
    model.eval()
    results, features = [], []
    with torch.inference_mode(), watch_features(model) as calls:
        for _, batch in batches(items, batch_size):
            seen = [probabilities_of(model, transform(turn(batch, *by))) for by in ORIENTED[tta]]
            results.append(torch.stack(seen).mean(dim=0).cpu().numpy())
            if (found := mean_of_calls(calls)) is not None:
                features.append(found.numpy())
    return np.concatenate(results), np.concatenate(features) if features else None
