"""Selective prediction: a person decides on uncertain images. Accuracy by coverage, and confidence thresholds."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.checks import check_scores


def coverage_rows(truth: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Accuracy of the most confident images, for every coverage that a confidence threshold can give.

    Args:
        truth: N class indices.
        probabilities: N x classes.

    Returns:
        Rows of `threshold`, `coverage` and `accuracy`, by rising coverage; images of equal confidence share a row.

    Raises:
        CytopipeError: if there are no images or a score is not finite; the functions below raise it too.
    """
    check_scores(truth, probabilities)
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum((probabilities.argmax(axis=1) == truth)[order])
    sorted_ = confidence[order]
    last = np.flatnonzero(np.append(sorted_[1:] != sorted_[:-1], True))
    return [
        {
            "threshold": float(sorted_[index]),
            "coverage": float((index + 1) / len(truth)),
            "accuracy": float(right[index] / (index + 1)),
        }
        for index in last
    ]


def area_under_risk_coverage(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the risk-coverage curve: mean error rate over all coverages (Geifman 2017, arXiv:1705.08500).

    0 is best. Images of equal confidence count with their mean error.
    """
    check_scores(truth, probabilities)
    confidence = probabilities.max(axis=1)
    wrong = (probabilities.argmax(axis=1) != truth).astype(float)
    _, place = np.unique(-confidence, return_inverse=True)
    mean_of_tie = np.bincount(place, wrong) / np.bincount(place)
    spread = mean_of_tie[np.sort(place)]
    return float((np.cumsum(spread) / np.arange(1, len(truth) + 1)).mean())


def threshold_for_error(truth: np.ndarray, probabilities: np.ndarray, error: float) -> float | None:
    """Find the lowest confidence threshold at which at most this share of the kept images is wrong.

    Choose it on the validation split and report it on the test split. None if no threshold reaches the error.
    """
    kept = [row["threshold"] for row in coverage_rows(truth, probabilities) if 1 - row["accuracy"] <= error + 1e-12]
    return min(kept) if kept else None


def at_threshold(
    truth: np.ndarray, probabilities: np.ndarray, threshold: float | np.ndarray
) -> dict[str, float | None]:
    """Coverage and error rate of the images whose confidence reaches a threshold: one for all images, or N thresholds.

    The error is None if no image reaches it.
    """
    check_scores(truth, probabilities)
    kept = probabilities.max(axis=1) >= threshold
    wrong = probabilities.argmax(axis=1) != truth
    return {
        "coverage": float(kept.mean()),
        "error": float(wrong[kept].mean()) if kept.any() else None,
    }
