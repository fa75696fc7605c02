"""Calibration of predicted probabilities: reliability bins, expected calibration error, Brier score and log loss."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.temperature import SMALLEST

BINS = 15


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> list[dict[str, float]]:
    """Mean confidence and accuracy in bins of equal width (Guo et al. 2017, arXiv:1706.04599).

    Args:
        truth: N class indices.
        probabilities: N x classes; the largest value of a row is its confidence.
        bins: number of bins between 0 and 1. Each bin includes its upper edge; the first also includes 0.

    Returns:
        `low`, `high`, `confidence` (mean), `accuracy` and `images` of each bin that contains images.

    Raises:
        CytopipeError: if there are no images or a score is not finite; the functions below raise it too.
    """
    check_scores(truth, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return [
        {
            "low": float(edges[index]),
            "high": float(edges[index + 1]),
            "confidence": float(confidence[place == index].mean()),
            "accuracy": float(right[place == index].mean()),
            "images": float((place == index).sum()),
        }
        for index in np.unique(place)
    ]


def expected_calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Mean absolute difference of accuracy and confidence over the bins, weighted by their images; 0 to 1."""
    rows = reliability(truth, probabilities, bins)
    return sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(truth)


def brier_score(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Squared error of the probabilities against the one-hot truth, summed over classes; 0 to 2 (Brier 1950)."""
    check_scores(truth, probabilities)
    wanted = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - wanted) ** 2).sum(axis=1).mean())


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    check_scores(truth, probabilities)
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], SMALLEST, 1)).mean())


def calibration(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Expected calibration error, Brier score and log loss, by key of the registry."""
    return {
        "ece": expected_calibration_error(truth, probabilities),
        "brier": brier_score(truth, probabilities),
        "log_loss": log_loss(truth, probabilities),
    }
