"""Metrics of a classifier, each a function of the true classes and the predicted probabilities.

All are fast enough to be computed without each of hundreds of groups; the tests compare each with scikit-learn.
"""

from __future__ import annotations

import numpy as np


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of images whose most probable class is the true one.

    Args:
        truth: N class indices.
        probabilities: N x classes. The functions below take the same arguments.
    """
    return float((probabilities.argmax(axis=1) == truth).sum() / len(truth))


def balanced_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean recall over the classes that have images."""
    counts = confusion(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    actual = counts.sum(axis=1)
    present = actual > 0
    return float(np.mean(counts.diagonal()[present] / actual[present]))


def macro_f1(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 of the classes that have images; wrong predictions of other classes count by the recall they cost."""
    counts = confusion(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    present = counts.sum(axis=1) > 0
    total = (counts.sum(axis=1) + counts.sum(axis=0))[present]
    return float(np.mean(2 * counts.diagonal()[present] / total))


def macro_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean area under the one-vs-rest ROC curves, computed from ranks (Mann-Whitney U); ties count half.

    Returns:
        None if a class has no image or all images: its area is then not defined, rather than 0 or 1.
    """
    classes = probabilities.shape[1]
    actual = np.bincount(truth, minlength=classes)
    if classes < 2 or not (actual > 0).all():
        return None
    positive = np.array([_ranks(probabilities[:, label])[truth == label].sum() for label in range(classes)])
    return float(np.mean((positive - actual * (actual + 1) / 2) / (actual * (len(truth) - actual))))


def binary_auc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve of N scores, higher for the N positive ones (booleans); None without both kinds."""
    return macro_auc(positive.astype(int), np.stack([-scores, scores], axis=1))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix: counts by true class (rows) and predicted class (columns)."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks starting at 1; equal values share their mean rank."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1) / 2
