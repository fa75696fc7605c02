"""The metrics of a classifier: each one function of the true classes and the predicted probabilities.

All are fast enough for the thousands of draws of a bootstrap; the tests hold each against scikit-learn.
"""

from __future__ import annotations

import numpy as np


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of images whose most probable class is the true one.

    Args:
        truth: N class indices.
        probabilities: N x classes; so for the functions below.
    """
    return float((probabilities.argmax(axis=1) == truth).sum() / len(truth))


def balanced_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean recall of the classes that have an image."""
    counts = confusion(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    actual = counts.sum(axis=1)
    present = actual > 0
    return float(np.mean(counts.diagonal()[present] / actual[present]))


def macro_f1(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 over all classes; 0 for a class that is neither there nor predicted."""
    counts = confusion(truth, probabilities.argmax(axis=1), probabilities.shape[1])
    total = counts.sum(axis=1) + counts.sum(axis=0)
    return float(np.mean(2 * counts.diagonal() / np.maximum(total, 1)))


def macro_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean area under the ROC curve of each class against the rest, by ranks (Mann-Whitney); ties count half.

    Returns:
        None where a class has no image or every image: the area is undefined there, not 0 or 1.
    """
    classes = probabilities.shape[1]
    actual = np.bincount(truth, minlength=classes)
    if classes < 2 or not (actual > 0).all():
        return None
    positive = np.array([_ranks(probabilities[:, label])[truth == label].sum() for label in range(classes)])
    return float(np.mean((positive - actual * (actual + 1) / 2) / (actual * (len(truth) - actual))))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts by true and predicted class, classes x classes."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share their mean rank."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1) / 2
