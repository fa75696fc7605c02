"""Intervals of the change of a metric between two runs that predicted the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cytopipe.gate.results import Change
from cytopipe.metrics.bootstrap import group_draws, interval
from cytopipe.metrics.classification import headline
from cytopipe.results.predictions import Predictions
from cytopipe.results.segmenter import SegmenterPredictions

Measure = Callable[[np.ndarray], Mapping[str, float | None]]


def changes(now: Predictions | SegmenterPredictions, before: Predictions | SegmenterPredictions) -> dict[str, Change]:
    """The change of each metric that can be computed from the predictions of both runs.

    Args:
        now, before: predictions of the same images, with the same groups and labels, in any order.

    Returns:
        The changes by metric; empty if the classes differ or there is only one group.
    """
    groups = [group for _, group in sorted(zip(now.ids, now.groups, strict=True))]
    measures = _measure(now), _measure(before)
    draws = group_draws(groups, 1000)
    if _classes(now) != _classes(before) or not draws:
        return {}
    pairs = [(measures[0](rows), measures[1](rows)) for rows in (np.arange(len(groups)), *draws)]
    found = {}
    for metric in pairs[0][0].keys() & pairs[0][1].keys():
        value, *drawn = _differences(pairs, metric)
        limits = interval([one for one in drawn if one is not None])
        if value is not None and limits:
            found[metric] = Change(value, limits["low"], limits["high"])
    return found


def _classes(predictions: Predictions | SegmenterPredictions) -> tuple[str, ...]:
    return predictions.classes if isinstance(predictions, Predictions) else ()


def _differences(
    pairs: Sequence[tuple[Mapping[str, float | None], Mapping[str, float | None]]], metric: str
) -> list[float | None]:
    """Now minus before; None for a draw in which the metric is not defined, such as AUC without images of a class."""
    return [
        None if (new := one[metric]) is None or (old := other[metric]) is None else new - old for one, other in pairs
    ]


def _measure(predictions: Predictions | SegmenterPredictions) -> Measure:
    """A function that computes the metrics of a selection of images, given as row indices in the order of ids."""
    order = np.argsort(np.array(predictions.ids))
    if isinstance(predictions, Predictions):
        truth, probabilities = predictions.truth[order], predictions.probabilities[order]
        return lambda rows: headline(truth[rows], probabilities[rows])
    columns = {key: values[order] for key, values in predictions.known.items()}
    return lambda rows: {key: float(values[rows].mean()) for key, values in columns.items()}
