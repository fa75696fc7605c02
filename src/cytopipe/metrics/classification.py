"""Final metrics of a classifier, by scikit-learn, and their intervals by a bootstrap over groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics as sk

from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.operating_points import wilson

REPLICATES = 1000
LEVEL = 0.95


def headline(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Accuracy, balanced accuracy, macro F1 and macro one-vs-rest ROC AUC, by scikit-learn.

    Args:
        truth: N class indices.
        probabilities: N x classes.

    Returns:
        Each metric; AUC is None where a class has no image or every image (it is undefined there, not 0 or 1).
    """
    predicted = probabilities.argmax(axis=1)
    labels = range(probabilities.shape[1])
    auc = None
    if _all_present(truth, probabilities.shape[1]):
        one_hot = np.eye(probabilities.shape[1])[truth]
        auc = float(sk.roc_auc_score(one_hot, probabilities, average="macro"))
    return {
        "accuracy": float(sk.accuracy_score(truth, predicted)),
        "balanced_accuracy": float(sk.recall_score(truth, predicted, labels=np.unique(truth), average="macro")),
        "macro_f1": float(sk.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0.0)),
        "auc": auc,
    }


def fast_headline(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """What `headline` returns, 50 times faster for small test sets: for the many draws of a bootstrap."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = _confusion(truth, predicted, classes)
    hits, actual, named = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    present = actual > 0
    auc = None
    if present.all() and classes > 1:
        ranks = rankdata(probabilities, axis=0)  # Mann-Whitney: the area under the ROC curve, ties counted half
        positive = np.array([ranks[truth == label, label].sum() for label in range(classes)])
        auc = float(np.mean((positive - actual * (actual + 1) / 2) / (actual * (len(truth) - actual))))
    return {
        "accuracy": float(hits.sum() / len(truth)),
        "balanced_accuracy": float(np.mean(hits[present] / actual[present])),
        "macro_f1": float(np.mean(2 * hits / np.maximum(actual + named, 1))),
        "auc": auc,
    }


def _confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts by true and predicted class, as scikit-learn's, for the many draws of a bootstrap."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _f1(confusion: np.ndarray) -> list[float | None]:
    """F1 of each class; None for one that is neither there nor predicted."""
    both = confusion.sum(axis=1) + confusion.sum(axis=0)
    return [float(2 * hits / total) if total else None for hits, total in zip(confusion.diagonal(), both, strict=True)]


def _all_present(truth: np.ndarray, classes: int) -> bool:
    return classes > 1 and bool((np.bincount(truth, minlength=classes) > 0).all())


def per_class(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], draws: Sequence[np.ndarray] = ()
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number of test images of each class, with 95 % intervals.

    Args:
        truth: N class indices.
        predicted: N class indices.
        classes: their names.
        draws: image indices of the bootstrap's draws, for F1's interval; those of the proportions are Wilson's.

    Returns:
        None, and not 0, stands for a precision of what was never predicted and a recall of what has no image.
    """
    confusion = _confusion(truth, predicted, len(classes))
    drawn = [_f1(_confusion(truth[rows], predicted[rows], len(classes))) for rows in draws]
    result: dict[str, dict[str, Any]] = {}
    for index, (label, f1) in enumerate(zip(classes, _f1(confusion), strict=True)):
        hits, actual, named = (
            int(n) for n in (confusion[index, index], confusion[index].sum(), confusion[:, index].sum())
        )
        values = [one[index] for one in drawn]
        result[label] = {
            "precision": hits / named if named else None,
            "recall": hits / actual if actual else None,
            "f1": f1,
            "images": actual,
            "interval": {
                "precision": wilson(hits, named),
                "recall": wilson(hits, actual),
                "f1": None if f1 is None else interval([value for value in values if value is not None]),
            },
        }
    return result


def group_draws(groups: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> list[np.ndarray]:
    """Bootstrap draws: groups are drawn with replacement, each with all its images.

    Images of one patient or slide resemble each other; drawing images would make intervals too narrow.

    Returns:
        Image indices of each draw; no draws for a single group, which says nothing about the next one.
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return []
    members = [np.flatnonzero(inverse == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    return [
        np.concatenate([members[index] for index in rng.integers(len(names), size=len(names))])
        for _ in range(replicates)
    ]


def interval(values: Sequence[float]) -> dict[str, float] | None:
    """Percentile interval of bootstrap values; None for none."""
    if not len(values):
        return None
    low, high = np.quantile(np.asarray(values, float), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}


def intervals(
    truth: np.ndarray,
    probabilities: np.ndarray,
    draws: Sequence[np.ndarray],
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float | None]] = fast_headline,
) -> dict[str, dict[str, float] | None]:
    """95 % interval of each headline metric; None where no draw defines it."""
    drawn = [measure(truth[rows], probabilities[rows]) for rows in draws]
    return {
        name: interval([value for one in drawn if (value := one[name]) is not None])
        for name in measure(truth, probabilities)
    }


def classification_metrics(truth: np.ndarray, probabilities: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """Everything in metrics.json, in a fixed key order: numbers and their intervals alone.

    Raises:
        CytopipeError: for no images or scores that are not finite.
    """
    check_scores(truth, probabilities)
    limits = intervals(truth, probabilities, group_draws(groups))
    return {**headline(truth, probabilities), "interval": limits, "images": len(truth), "groups": len(set(groups))}


def fold_metrics(truth: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> dict[str, Any]:
    """Each headline metric of every fold on its own: values in the folds' order, their mean and standard deviation.

    Args:
        truth: N class indices.
        probabilities: N x classes, of each image by the network of its fold.
        folds: N fold numbers from 0.
    """
    return _spread(
        [headline(truth[folds == fold], probabilities[folds == fold]) for fold in range(int(folds.max()) + 1)]
    )


def spread_of_seeds(truth: np.ndarray, probabilities: Sequence[np.ndarray]) -> dict[str, Any]:
    """Each headline metric of every seed on its own, as `fold_metrics`, all on the same images.

    Args:
        truth: N class indices.
        probabilities: N x classes of each seed.
    """
    return _spread([headline(truth, one) for one in probabilities])


def _spread(measured: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    result: dict[str, Any] = {"count": len(measured)}
    for name in measured[0]:
        values = [one[name] for one in measured]
        known = [value for value in values if value is not None]
        sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
        result[name] = {"mean": float(np.mean(known)) if known else None, "sd": sd, "values": values}
    return result
