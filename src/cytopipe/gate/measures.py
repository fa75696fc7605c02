"""What a run measured on each test image or field, so that two runs can be compared on the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytopipe.gate.results import Results
from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import headline
from cytopipe.metrics.temperature import apply_temperature
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.predictions import Predictions
from cytopipe.results.screening import FieldScores
from cytopipe.results.segmenter import SegmenterPredictions

Measure = Callable[[np.ndarray], Mapping[str, float | None]]


@dataclass(frozen=True)
class Measures:
    """The images of a run, in the order of their ids.

    Attributes:
        ids, groups: of the N images or fields.
        measure: computes the metrics of a selection of images, given as indices, by key of the registry.
        single: N values of the metrics that are means over images, NaN where one is not defined.
        classes: names of the classes of a classifier.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    measure: Measure
    single: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


def measures_of(results: Results) -> Measures:
    """Everything that can be computed again from the tables of a run.

    Raises:
        CytopipeError: if a table is missing or invalid.
    """
    found = results.predictions
    if isinstance(found, FieldScores):
        return of_fields(found)
    if isinstance(found, SegmenterPredictions):
        return of_masks(found)
    details = results.details
    temperature = details.calibration.temperature if isinstance(details, ClassifierDetails) else ()
    return of_classes(found, temperature[0] if len(temperature) == 1 else None)


def of_classes(found: Predictions, temperature: float | None = None) -> Measures:
    """Metrics of a classifier; those of calibrated probabilities only with one temperature for all images."""
    order = _order(found.ids)
    truth, probabilities = found.truth[order], found.probabilities[order]
    calibrated = None if temperature is None else apply_temperature(probabilities, temperature)

    def measure(rows: np.ndarray) -> dict[str, float | None]:
        values = headline(truth[rows], probabilities[rows])
        return values if calibrated is None else values | calibration(truth[rows], calibrated[rows])

    right = (probabilities.argmax(axis=1) == truth).astype(float)
    return Measures(*_named(found.ids, found.groups, order), measure, {"accuracy": right}, found.classes)


def of_masks(found: SegmenterPredictions) -> Measures:
    """Metrics of a segmenter: means over the images for which they are defined."""
    order = _order(found.ids)
    names = found.rows[0].scores if found.rows else ()
    columns = {name: np.array([row.scores[name] for row in found.rows], float)[order] for name in names}

    def measure(rows: np.ndarray) -> dict[str, float | None]:
        kept = {key: values[rows][~np.isnan(values[rows])] for key, values in columns.items()}
        return {key: float(values.mean()) if len(values) else None for key, values in kept.items()}

    return Measures(*_named(found.ids, found.groups, order), measure, columns)


def of_fields(found: FieldScores) -> Measures:
    """Metrics of a screening that follow from the numbers of cells in each field."""
    order = _order(found.ids)
    names = ("true", "found", "at_edge", "matched", "named")
    table = np.array([[getattr(row, name) for name in names] for row in found.rows], float).reshape(-1, len(names))
    table = table[order]

    def measure(rows: np.ndarray) -> dict[str, float | None]:
        true, cells, at_edge, matched, named = table[rows].sum(axis=0)
        errors = table[rows, 1] - table[rows, 2] - table[rows, 0]
        counted = cells - at_edge
        return {
            "boxes_precision": _share(matched, counted),
            "boxes_recall": _share(matched, true),
            "boxes_f1": _share(2 * matched, counted + true),
            "class_accuracy": _share(named, matched),
            "named_f1": _share(2 * named, counted + true),
            "count_mean_absolute_error": float(np.abs(errors).mean()),
        }

    return Measures(*_named(found.ids, found.groups, order), measure)


def _order(ids: Sequence[str]) -> np.ndarray:
    return np.argsort(np.array(ids))


def _named(ids: Sequence[str], groups: Sequence[str], order: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(ids[k] for k in order), tuple(groups[k] for k in order)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
