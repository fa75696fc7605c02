"""Which test images are shown and which are measured: decided by their predictions and ids alone, never by chance."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError

MEASURED = 3  # images of a class that are measured for each that `explain.images` shows


@dataclass(frozen=True)
class Prediction:
    """What `evaluate` wrote about a test image; `probability` is that of the predicted class."""

    id: str
    group: str
    label: str
    predicted: str
    probability: float

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.label == self.predicted


def read_predictions(path: Path, rows: Sequence[Row]) -> list[Prediction]:
    """The predictions of these images, in their order.

    Raises:
        CytopipeError: when the table is of other images.
    """
    with path.open(newline="", encoding="utf-8") as file:
        found = [
            Prediction(
                line["id"], line["group"], line["label"], line["predicted"], float(line[f"p_{line['predicted']}"])
            )
            for line in csv.DictReader(file)
        ]
    if [(one.id, one.label) for one in found] != [(row.id, row.label) for row in rows]:
        raise CytopipeError("its images are not those of the tensors", where=path, hint="run evaluate again")
    return found


def shown(predictions: Sequence[Prediction], classes: Sequence[str], count: int) -> list[int]:
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
            places.sort(key=lambda i: (-predictions[i].probability, predictions[i].id))
            ends = [place for pair in zip(places, reversed(places), strict=True) for place in pair]
            chosen += list(dict.fromkeys(ends))[:count]
    return chosen


def measured(predictions: Sequence[Prediction], classes: Sequence[str], count: int) -> list[int]:
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
