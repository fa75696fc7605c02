"""Models in other laboratories, prepared for the template: each evaluation, and the matrix of models and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cytopipe.metrics.registry import Metric, find, shown
from cytopipe.report.read import ExternalResults, Results
from cytopipe.results.external import Drop, ExternalSegmenter
from cytopipe.results.numbers import Estimate

# Of a matrix: laboratories see the classes in other shares, to which accuracy owes more than to the images.
SHOWN = {"classifiers": ("balanced_accuracy",), "segmenters": ("dice_cell", "dice_nucleus")}


@dataclass(frozen=True)
class Place:
    """One model on one dataset: its number, whether it is the internal test, and the evaluation that gave it."""

    estimate: Estimate
    home: bool
    evaluation: str
    note: str


@dataclass(frozen=True)
class Matrix:
    """One metric of all models of the same classes, a row each, on all their datasets; None where none was tested.

    `classes` are those of the models; empty for segmenters.
    """

    metric: Metric
    classes: tuple[str, ...]
    datasets: Sequence[str]
    rows: Mapping[str, Sequence[Place | None]]


@dataclass(frozen=True)
class ExternalView:
    """One evaluation; `numbers` are the metrics that the report shows."""

    results: ExternalResults
    numbers: Sequence[tuple[Metric, Drop]]


def external_views(results: Results) -> list[ExternalView]:
    """Prepare every evaluation, in the order of params.yaml."""
    return [
        ExternalView(one, [(metric, one.details.metrics[metric.key]) for metric in shown(one.details.task)])
        for one in results.externals.values()
    ]


def matrices(results: Results) -> list[Matrix]:
    """One matrix for the classifiers of each set of classes, and one for each part of a segmenter's masks.

    Models that were tested nowhere else stand in them too, with their internal test. There is none without evaluations.
    """
    if not results.externals:
        return []
    sets = list(dict.fromkeys(frozenset(one.classes) for one in results.classifiers.values()))
    found = [_classifiers(results, classes) for classes in sets]
    return [one for one in (*found, *_segmenters(results)) if any(_elsewhere(one))]


def _elsewhere(matrix: Matrix) -> Sequence[bool]:
    return [bool(place and not place.home) for row in matrix.rows.values() for place in row]


def _classifiers(results: Results, classes: frozenset[str]) -> Matrix:
    (key,) = SHOWN["classifiers"]
    chosen = {name: one for name, one in results.classifiers.items() if frozenset(one.classes) == classes}
    home = {name: (one.config.dataset, one.details.metrics[key]) for name, one in chosen.items()}
    order = tuple(next(iter(chosen.values())).classes)
    return _matrix(results, "classifiers", key, home, order)


def _segmenters(results: Results) -> list[Matrix]:
    return [
        _matrix(
            results,
            "segmenters",
            key,
            {name: (one.config.dataset, one.details.metrics[key]) for name, one in results.segmenters.items()},
            (),
        )
        for key in SHOWN["segmenters"]
    ]


def _matrix(
    results: Results, section: str, key: str, home: Mapping[str, tuple[str, Estimate]], classes: tuple[str, ...]
) -> Matrix:
    places = {
        (name, dataset): Place(estimate, True, "", "")
        for name, (dataset, estimate) in home.items()
        if estimate.value is not None
    }
    for name, one in results.externals.items():
        if one.config.section == section and one.config.model in home:
            there = one.details.metrics[key].there
            places[one.config.model, one.config.dataset] = Place(there, False, name, _note(one))
    metric = find(key)
    assert metric is not None
    datasets = list(
        dict.fromkeys(dataset for _, dataset in sorted(places, key=lambda place: list(home).index(place[0])))
    )
    rows = {name: [places.get((name, dataset)) for dataset in datasets] for name in home}
    kept = {name: row for name, row in rows.items() if any(row)}
    return Matrix(metric, classes, datasets, kept)


def _note(one: ExternalResults) -> str:
    """That not all classes of the model are there."""
    details = one.details
    if isinstance(details, ExternalSegmenter) or not details.absent:
        return ""
    return f"without {', '.join(details.absent)}"


def externals_of(results: Results, section: str, model: str) -> list[ExternalResults]:
    """The evaluations of one model."""
    return [one for one in results.externals.values() if (one.config.section, one.config.model) == (section, model)]
