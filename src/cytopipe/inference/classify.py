"""Class probabilities of stored items by a classifier's model folder."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cytopipe.inputs import InputTransform, batches


def class_probabilities(
    model: nn.Module, transform: InputTransform, items: np.ndarray, batch_size: int = 64
) -> np.ndarray:
    """N x H x W x 5 uint8 -> N x classes float64; rows sum to 1. Always in fp32 and evaluation mode."""
    model.eval()
    results = []
    with torch.inference_mode():
        for _, batch in batches(items, batch_size):
            results.append(torch.softmax(model(transform(batch)).double(), dim=1).cpu().numpy())
    return np.concatenate(results)
