"""Model randomisation: a map that stays the same when the network forgets everything shows edges, not the network.

Adebayo 2018, "Sanity Checks for Saliency Maps", arXiv:1810.03292: all weights are drawn anew, and the rank correlation
of absolute attribution before and after must fall.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from cytopipe.models.heads import build_classifier
from cytopipe.results.model_spec import ModelSpec

LIMIT = 0.5  # a method fails from this mean correlation on
SEED = 20181003  # of the other network: none that trainings use


def untrained(spec: ModelSpec, device: torch.device) -> nn.Module:
    """A network of the same architecture with weights of its own, as before any training.

    torch's generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = build_classifier(
            spec.architecture, spec.arguments, head=spec.head, activation=spec.activation, freeze=spec.freeze
        )
    return model.to(device).eval()


def rank_correlation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Spearman's correlation of absolute values, N x H x W twice -> N.

    It is 0 where the map became even everywhere, and NaN where it was so before: nothing is left to compare.
    """
    return np.array([_spearman(np.abs(a).ravel(), np.abs(b).ravel()) for a, b in zip(before, after, strict=True)])


def _spearman(before: np.ndarray, after: np.ndarray) -> float:
    if np.ptp(before) == 0:
        return np.nan
    return 0.0 if np.ptp(after) == 0 else float(spearmanr(before, after).statistic)


def verdict(correlations: np.ndarray) -> dict[str, Any]:
    """Mean correlation of the images that have one, and whether the method passed; without any it did not."""
    known = correlations[np.isfinite(correlations)]
    if not len(known):
        return {"correlation": None, "passed": False}
    mean = float(known.mean())
    return {"correlation": mean, "passed": mean < LIMIT}
