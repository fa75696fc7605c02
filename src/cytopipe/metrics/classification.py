"""Metrics of a classifier with intervals over groups: overall, per class, per fold and per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cytopipe.metrics import registry
from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.clusters import LeftOut, each_left_out, ratio
from cytopipe.metrics.intervals import Measured, Scale, measured


def headline(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Compute every metric of the registry that is a function of the predictions.

    Args:
        truth: N class indices.
        probabilities: N x classes.

    Returns:
        The metrics by key; None for a metric that is not defined on these images.
    """
    return {one.key: one.function(truth, probabilities) for one in registry.measured_metrics() if one.function}


def per_class(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], groups: Sequence[str]
) -> dict[str, dict[str, Measured]]:
    """Precision, recall and F1 of each class with 95 % intervals over groups.

    Args:
        truth: N class indices.
        predicted: N class indices.
        classes: their names.
        groups: N groups.

    Returns:
        The numbers by class name. The precision of a class that is never predicted, the recall of a class without
        images, and the F1 of a class with neither are None, not 0.
    """
    result = {}
    for index, label in enumerate(classes):
        actual, named = truth == index, predicted == index
        hits = (actual & named).astype(float)
        wholes = {"precision": named, "recall": actual, "f1": (actual * 0.5 + named * 0.5)}
        result[label] = {name: measured(ratio(hits, whole.astype(float), groups)) for name, whole in wholes.items()}
    return result


def classification_metrics(truth: np.ndarray, probabilities: np.ndarray, groups: Sequence[str]) -> dict[str, Measured]:
    """Compute every metric of the registry on the test images, with 95 % intervals over groups.

    Args:
        truth: N class indices.
        probabilities: N x classes.
        groups: N groups.

    Raises:
        CytopipeError: if there are no images or a score is not finite.
    """
    check_scores(truth, probabilities)
    left = each_left_out(lambda rows: headline(truth[rows], probabilities[rows]), groups)
    scales = {one.key: one.scale for one in registry.measured_metrics()}
    return {key: with_interval(one, scales[key]) for key, one in left.items()}


def with_interval(left: LeftOut, scale: Scale | None) -> Measured:
    """A number with the interval of its scale; without a scale it has none."""
    return measured(left, scale) if scale else Measured(left.value, withheld=registry.NO_INTERVAL)


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
