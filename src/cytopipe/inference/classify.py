"""Class probabilities of stored items by a classifier's model folder."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items
from cytopipe.inference.tta import ORIENTED, turn
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.results.model_spec import ModelSpec

BATCH = 64  # images of a forward pass; with another number the last digits may differ


def input_transform(spec: ModelSpec, device: torch.device) -> InputTransform:
    """From stored items to what the classifier of this specification sees."""
    return InputTransform(spec.channels, spec.mean, spec.std, device, spec.network_size)


def class_probabilities(
    model: nn.Module, transform: InputTransform, items: Items, batch_size: int = BATCH, tta: int = 1
) -> np.ndarray:
    """N x S x S x 5 uint8 -> N x classes float64; rows sum to 1. Always in fp32 and evaluation mode.

    Args:
        model: returns N x classes logits.
        transform: of stored items.
        items: in any order; the result has the same.
        batch_size: images of a forward pass.
        tta: 8 takes the mean over the turned and mirrored images.
    """
    model.eval()
    results = []
    with torch.inference_mode():
        for _, batch in batches(items, batch_size):
            seen = [torch.softmax(model(transform(turn(batch, *by))).double(), dim=1) for by in ORIENTED[tta]]
            results.append(torch.stack(seen).mean(dim=0).cpu().numpy())
    return np.concatenate(results)
