"""Intervals of the change of a metric between two runs that predicted the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cytopipe.evaluation.gate.results import HEADLINE, Change, Predictions
from cytopipe.metrics.classification import fast_headline, group_draws, interval

Measure = Callable[[np.ndarray], Mapping[str, float | None]]


def changes(now: Predictions, before: Predictions) -> dict[str, Change]:
    """The change of each headline metric; none of those that the predictions of a run do not give.

    Args:
        now, before: predictions of the same images with the same groups and labels, in any order.
    """
    groups = [group for _, group in sorted(zip(now.ids, now.groups, strict=True))]
    measures = _measure(now), _measure(before)
    draws = group_draws(groups)
    if measures[0] is None or measures[1] is None or now.classes != before.classes or not draws:
        return {}
    pairs = [(measures[0](rows), measures[1](rows)) for rows in (np.arange(len(groups)), *draws)]
    found = {}
    for metric in pairs[0][0].keys() & pairs[0][1].keys():
        value, *drawn = _differences(pairs, metric)
        limits = interval([one for one in drawn if one is not None])
        if value is not None and limits:
            found[metric] = Change(value, limits["low"], limits["high"])
    return found


def _differences(
    pairs: Sequence[tuple[Mapping[str, float | None], Mapping[str, float | None]]], metric: str
) -> list[float | None]:
    """Now minus before; None for a draw without a class of which AUC needs an image."""
    return [
        None if (new := one[metric]) is None or (old := other[metric]) is None else new - old for one, other in pairs
    ]


def _measure(predictions: Predictions) -> Measure | None:
    """The headline metrics of chosen images, as a function of their rows in the order of ids."""
    order = np.argsort(np.array(predictions.ids))
    if predictions.labels is None:
        found = {metric: predictions.numbers(metric) for metric in HEADLINE}
        columns = {metric: values[order] for metric, values in found.items() if values is not None}
        return lambda rows: {metric: float(values[rows].mean()) for metric, values in columns.items()}
    classes = predictions.classes
    scores = [predictions.numbers(f"p_{name}") for name in classes]
    known = [values for values in scores if values is not None]
    if not classes or len(known) < len(scores) or not set(predictions.labels) <= set(classes):
        return None
    truth = np.array([classes.index(label) for label in predictions.labels])[order]
    probabilities = np.stack(known, axis=1)[order]
    return lambda rows: fast_headline(truth[rows], probabilities[rows])
