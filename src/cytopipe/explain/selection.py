"""Which test images are shown and which are measured: decided by their predictions and ids alone, never by chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.results.predictions import Prediction, Predictions

MEASURED = 3  # images of a class that are measured for each that `explain.images` shows


def predictions_of(path: Path, rows: Sequence[Row]) -> tuple[Prediction, ...]:
    """The stored predictions of these images, in their order.

    Raises:
        CytopipeError: when the table is missing, broken, or of other images.
    """
    found = Predictions.read(path).rows
    if [(one.id, one.label) for one in found] != [(row.id, row.label) for row in rows]:
        raise CytopipeError("its images are not those of the tensors", where=path, hint="run evaluate again")
    return found


def select_shown(predictions: Sequence[Prediction], classes: Sequence[str], count: int) -> list[int]:
    """Images for panels: of each true class, right ones first, up to `count` right and `count` wrong.

    The most confident comes first, then the least confident, then the second most confident, and so on: an easy case,
    a border case, and among wrong ones the error that the network is surest of. Equals are taken in id order.

    Returns:
        Places in `predictions`.
    """
    chosen: list[int] = []
    for label in classes:
        for correct in (True, False):
            places = [i for i, one in enumerate(predictions) if one.label == label and one.correct == correct]
            places.sort(key=lambda i: (-predictions[i].confidence, predictions[i].id))
            ends = [place for pair in zip(places, reversed(places), strict=True) for place in pair]
            chosen += list(dict.fromkeys(ends))[:count]
    return chosen


def select_measured(predictions: Sequence[Prediction], classes: Sequence[str], count: int) -> list[int]:
    """Images for measures: up to `count` of each true class, evenly spread over its ids, right and wrong as they fall.

    Neighbouring ids are often of one group, so that the spread reaches as many groups as it can.

    Returns:
        Places in `predictions`, by class.
    """
    chosen: list[int] = []
    for label in classes:
        places = [i for i, one in enumerate(predictions) if one.label == label]
        chosen += [places[i] for i in spread(len(places), count)]
    return chosen


def spread(length: int, count: int) -> list[int]:
    """Up to `count` of the places 0 to length - 1, evenly spread."""
    if length <= count:
        return list(range(length))
    return [int(place) for place in np.floor((np.arange(count) + 0.5) * length / count)]
