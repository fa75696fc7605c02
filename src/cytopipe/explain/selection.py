"""Selection of the test images that are shown or measured, by predictions and ids only, without any randomness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.results.predictions import Prediction, Predictions

MEASURED = 3  # number of measured images per class, as a multiple of `explain.images`


def predictions_of(path: Path, rows: Sequence[Row]) -> tuple[Prediction, ...]:
    """Read the stored predictions of these images, in their order.

    Raises:
        CytopipeError: the table is missing, damaged, or of other images.
    """
    found = Predictions.read(path).rows
    if [(one.id, one.label) for one in found] != [(row.id, row.label) for row in rows]:
        raise CytopipeError("its images are not those of the tensors", where=path, hint="run evaluate again")
    return found


def select_shown(predictions: Sequence[Prediction], classes: Sequence[str], count: int) -> list[int]:
    """Select the images for panels: for each true class up to `count` correct and then `count` wrong predictions.

    The most confident comes first, then the least confident, then the second most confident, and so on: an easy case,
    a borderline case, and among the wrong ones the most confident error. Ties are broken by id.

    Args:
        predictions: predictions of all test images.
        classes: names of the true classes.
        count: maximum number of images of each kind.

    Returns:
        Indices into `predictions`.
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
    """Select the images for measures: up to `count` of each true class, evenly spread over its ids.

    Correct and wrong predictions are taken alike. Neighbouring ids are often of one group, so that an even spread
    covers many groups.

    Returns:
        Indices into `predictions`, class by class.
    """
    chosen: list[int] = []
    for label in classes:
        places = [i for i, one in enumerate(predictions) if one.label == label]
        chosen += [places[i] for i in spread(len(places), count)]
    return chosen


def spread(length: int, count: int) -> list[int]:
    """Up to `count` of the indices 0 to length - 1, evenly spread."""
    if length <= count:
        return list(range(length))
    return [int(place) for place in np.floor((np.arange(count) + 0.5) * length / count)]
