"""Model randomisation test: a map that does not change with the network's weights shows the image, not the network.

Adebayo 2018, "Sanity Checks for Saliency Maps", arXiv:1810.03292: all weights are re-initialised, and the rank
correlation of absolute attribution before and after must be low.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from cytopipe.models.heads import build_classifier
from cytopipe.results.model_spec import ModelSpec

LIMIT = 0.5  # mean correlation from which a method fails
SEED = 20181003  # seed of the untrained network, which no training uses


def untrained(spec: ModelSpec, device: torch.device) -> nn.Module:
    """A network of the same architecture with newly initialised weights; leaves torch's random generator unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = build_classifier(
            spec.architecture, spec.arguments, head=spec.head, activation=spec.activation, freeze=spec.freeze
        )
    return model.to(device).eval()


def rank_correlation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of the absolute values of N pairs of maps.

    Args:
        before, after: N x H x W maps.

    Returns:
        N correlations: 0 if only the later map is constant, NaN if the earlier one is, since nothing can be compared.
    """
    return np.array([_spearman(np.abs(a).ravel(), np.abs(b).ravel()) for a, b in zip(before, after, strict=True)])


def _spearman(before: np.ndarray, after: np.ndarray) -> float:
    if np.ptp(before) == 0:
        return np.nan
    return 0.0 if np.ptp(after) == 0 else float(spearmanr(before, after).statistic)


def verdict(correlations: np.ndarray) -> dict[str, Any]:
    """Mean of the defined correlations and whether the method passed; it fails if none is defined."""
    known = correlations[np.isfinite(correlations)]
    if not len(known):
        return {"correlation": None, "passed": False}
    mean = float(known.mean())
    return {"correlation": mean, "passed": mean < LIMIT}
