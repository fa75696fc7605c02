"""By what a queue is ordered: how unsure a classifier is, what it doubts, where several disagree, what is unlike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Order = Literal["uncertainty", "suspicion", "disagreement", "unlikeness"]
ORDERS: tuple[Order, ...] = get_args(Order)


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Entropy of the probabilities as a share of its maximum: 0 is sure, 1 knows nothing.

    Source: Settles 2009, "Active learning literature survey", section 3.1.

    Args:
        probabilities: N x classes.

    Returns:
        N numbers.
    """
    found: np.ndarray = _entropy(probabilities) / np.log(probabilities.shape[1])
    return found


def suspicion(probabilities: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """How improbable a classifier finds the given labels: one minus their probability.

    A wrong label makes a classifier that did not train on it sure of another class, not unsure. Source: Northcutt 2021
    (doi:10.1613/jair.1.12125), self-confidence.

    Args:
        probabilities: N x classes.
        labels: N class indices.

    Returns:
        N numbers from 0 to 1.
    """
    found: np.ndarray = 1 - probabilities[np.arange(len(labels)), list(labels)]
    return found


def disagreement(members: Sequence[np.ndarray]) -> np.ndarray:
    """Jensen-Shannon divergence of several classifiers' probabilities; 0: they agree.

    It is the entropy of their mean without the mean of their entropies: what makes each unsure alone does not count.
    Source: Houlsby 2011 (arXiv:1112.5745); McCallum and Nigam 1998, "Employing EM and pool-based active learning".

    Args:
        members: two or more arrays of N x classes.

    Returns:
        N numbers of bits.
    """
    mean = np.mean(np.stack(members), axis=0)
    own = np.mean([_entropy(one) for one in members], axis=0)
    found: np.ndarray = np.maximum(_entropy(mean) - own, 0.0) / np.log(2)
    return found


def ranked(scores: Sequence[float], ids: Sequence[str]) -> list[int]:
    """Positions by score, the highest first; equal scores by id, so that every start gives the same queue."""
    return sorted(range(len(ids)), key=lambda place: (-scores[place], ids[place]))


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    held = np.clip(probabilities, 1e-12, 1.0)
    found: np.ndarray = -np.sum(held * np.log(held), axis=1)
    return found
