"""Leave the uncertain images to a person: accuracy against coverage, and the threshold for a wanted error rate."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.checks import check_scores


def coverage_rows(truth: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Accuracy of the most confident images, for every share that a confidence threshold can keep.

    Args:
        truth: N class indices.
        probabilities: N x classes.

    Returns:
        `threshold`, `coverage` and `accuracy`, from few images to all. Images of equal confidence are kept together.

    Raises:
        CytopipeError: for no images or scores that are not finite; so do the functions below.
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


def area_under_risk(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean error rate over all coverages (AURC: Geifman 2017, arXiv:1705.08500); 0 is perfect, ties at their mean."""
    check_scores(truth, probabilities)
    confidence = probabilities.max(axis=1)
    wrong = (probabilities.argmax(axis=1) != truth).astype(float)
    _, place = np.unique(-confidence, return_inverse=True)
    mean_of_tie = np.bincount(place, wrong) / np.bincount(place)
    spread = mean_of_tie[np.sort(place)]
    return float((np.cumsum(spread) / np.arange(1, len(truth) + 1)).mean())


def threshold_for_error(truth: np.ndarray, probabilities: np.ndarray, error: float) -> float | None:
    """The lowest confidence above which at most this share of images is wrong; None if there is none.

    It is to be chosen on the validation split and reported on the test split.
    """
    kept = [row["threshold"] for row in coverage_rows(truth, probabilities) if 1 - row["accuracy"] <= error + 1e-12]
    return min(kept) if kept else None


def at_threshold(
    truth: np.ndarray, probabilities: np.ndarray, threshold: float | np.ndarray
) -> dict[str, float | None]:
    """Coverage and error rate of the images whose confidence reaches the threshold, one for all or one each.

    The error is None where no image does.
    """
    check_scores(truth, probabilities)
    kept = probabilities.max(axis=1) >= threshold
    wrong = probabilities.argmax(axis=1) != truth
    return {
        "coverage": float(kept.mean()),
        "error": float(wrong[kept].mean()) if kept.any() else None,
    }
