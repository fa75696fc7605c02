"""Does a confidence of 0.8 mean right in 8 of 10? Reliability, calibration error, Brier score."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.checks import check_scores

BINS = 15
_SMALLEST = 1e-12  # probabilities below it count as this, so that their logarithm is finite


def reliability(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> list[dict[str, float]]:
    """Confidence against accuracy in bins of equal width; empty bins are left out (Guo 2017, arXiv:1706.04599).

    Args:
        truth: N class indices.
        probabilities: N x classes; the largest of a row is its confidence.
        bins: of the interval 0 to 1; a bin holds its upper edge, and the first 0 as well.

    Returns:
        `low`, `high`, `confidence` (mean), `accuracy` and `images` of each bin.

    Raises:
        CytopipeError: for no images or scores that are not finite; so do the scores below.
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
    """Mean distance of accuracy and confidence over the bins of `reliability`, weighed by their images; 0 to 1."""
    rows = reliability(truth, probabilities, bins)
    return sum(row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(truth)


def brier_score(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of the probabilities from 1 for the true class and 0 for others; 0 to 2 (Brier 1950)."""
    check_scores(truth, probabilities)
    wanted = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - wanted) ** 2).sum(axis=1).mean())


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative logarithm of the true class's probability, in nats."""
    check_scores(truth, probabilities)
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], _SMALLEST, 1)).mean())


def calibration(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """The three numbers of this module, by name."""
    return {
        "ece": expected_calibration_error(truth, probabilities),
        "brier": brier_score(truth, probabilities),
        "log_loss": log_loss(truth, probabilities),
    }
