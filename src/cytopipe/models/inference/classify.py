"""Class probabilities of stored items."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items
from cytopipe.models.ensemble import probabilities_of
from cytopipe.models.inference.tta import ORIENTED, turn
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
    model.eval()
    results = []
    with torch.inference_mode():
        for _, batch in batches(items, batch_size):
            seen = [probabilities_of(model, transform(turn(batch, *by))) for by in ORIENTED[tta]]
            results.append(torch.stack(seen).mean(dim=0).cpu().numpy())
    return np.concatenate(results)
