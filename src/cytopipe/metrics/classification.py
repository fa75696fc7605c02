"""Metrics of a classifier with bootstrap intervals over groups: overall, per class, per fold and per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cytopipe.metrics import registry
from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.scores import confusion

REPLICATES = 1000
LEVEL = 0.95


def headline(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Compute every metric of the registry that is a function of the predictions.

    Args:
        truth: N class indices.
        probabilities: N x classes.

    Returns:
        The metrics by key; None for a metric that is not defined on these images.
    """
    return {one.key: one.function(truth, probabilities) for one in registry.measured_metrics() if one.function}


def _f1(counts: np.ndarray) -> list[float | None]:
    """F1 of each class; None for a class without images that is never predicted."""
    both = counts.sum(axis=1) + counts.sum(axis=0)
    return [float(2 * hits / total) if total else None for hits, total in zip(counts.diagonal(), both, strict=True)]


def per_class(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], draws: Sequence[np.ndarray] = ()
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number of test images of each class, with 95 % intervals.

    Args:
        truth: N class indices.
        predicted: N class indices.
        classes: their names.
        draws: image indices of each bootstrap draw, for the interval of F1; precision and recall get Wilson intervals.

    Returns:
        The numbers by class name. The precision of a class that is never predicted and the recall of a class without
        images are None, not 0.
    """
    counts = confusion(truth, predicted, len(classes))
    drawn = [_f1(confusion(truth[rows], predicted[rows], len(classes))) for rows in draws]
    result: dict[str, dict[str, Any]] = {}
    for index, (label, f1) in enumerate(zip(classes, _f1(counts), strict=True)):
        hits, actual, named = (int(n) for n in (counts[index, index], counts[index].sum(), counts[:, index].sum()))
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
    """Draw groups with replacement, each with all its images (cluster bootstrap).

    Images of one patient or slide resemble each other; drawing single images would make intervals too narrow.

    Returns:
        Image indices of each draw; no draws if there is only one group, as the variation between groups is unknown.
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
    """95 % percentile interval of bootstrap values; None for an empty sequence."""
    if not len(values):
        return None
    low, high = np.quantile(np.asarray(values, float), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}


def intervals(
    truth: np.ndarray,
    probabilities: np.ndarray,
    draws: Sequence[np.ndarray],
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float | None]] = headline,
) -> dict[str, dict[str, float] | None]:
    """95 % bootstrap interval of each metric; None for a metric that is defined in no draw."""
    drawn = [measure(truth[rows], probabilities[rows]) for rows in draws]
    return {
        name: interval([value for one in drawn if (value := one[name]) is not None])
        for name in measure(truth, probabilities)
    }


def classification_metrics(truth: np.ndarray, probabilities: np.ndarray, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    """Compute every metric of the registry on the test images.

    Args:
        truth: N class indices.
        probabilities: N x classes.
        draws: image indices of each bootstrap draw.

    Returns:
        The metrics by key, and their limits under `interval`.

    Raises:
        CytopipeError: if there are no images or a score is not finite.
    """
    check_scores(truth, probabilities)
    return {**headline(truth, probabilities), "interval": intervals(truth, probabilities, draws)}


def fold_metrics(truth: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> dict[str, Any]:
    """Compute each metric separately on every fold: values in the order of folds, mean and standard deviation.

    Args:
        truth: N class indices.
        probabilities: N x classes; each image is predicted by the network of its fold.
        folds: N fold numbers from 0.
    """
    return _spread(
        [headline(truth[folds == fold], probabilities[folds == fold]) for fold in range(int(folds.max()) + 1)]
    )


def spread_of_seeds(truth: np.ndarray, probabilities: Sequence[np.ndarray]) -> dict[str, Any]:
    """Compute each metric separately for every seed, on the same images; the result is like that of `fold_metrics`.

    Args:
        truth: N class indices.
        probabilities: one N x classes array per seed.
    """
    return _spread([headline(truth, one) for one in probabilities])


def _spread(measured: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    return {
        "count": len(measured),
        "metrics": {name: _spread_of([one[name] for one in measured]) for name in measured[0]},
    }


def _spread_of(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"mean": float(np.mean(known)) if known else None, "sd": sd, "values": values}
