"""details.json of any model, and access to its metrics through the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cytopipe.metrics.registry import Metric, Task, of_task
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.numbers import Estimate
from cytopipe.results.screening import ScreeningDetails
from cytopipe.results.segmenter import SegmenterDetails

Details = ClassifierDetails | SegmenterDetails | ScreeningDetails
DETAILS: dict[Task, type[Details]] = {
    "classification": ClassifierDetails,
    "segmentation": SegmenterDetails,
    "screening": ScreeningDetails,
}


def estimate_at(details: Details, place: str) -> Estimate | None:
    """The number at a dotted path such as `calibration.after.ece`; None if there is no number."""
    found: Any = details
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else getattr(found, key, None)
    return found if isinstance(found, Estimate) else None


def estimate_of(details: Details, metric: Metric) -> Estimate | None:
    """A metric with its interval; None if the details do not contain it."""
    return estimate_at(details, metric.place)


def estimates_of(details: Details, task: Task) -> dict[str, Estimate]:
    """Every metric of a task that the details contain, by key."""
    found = {metric.key: estimate_of(details, metric) for metric in of_task(task)}
    return {key: one for key, one in found.items() if one is not None}


def values_of(details: Details, task: Task) -> dict[str, float]:
    """The value of every metric of a task that is defined, by key."""
    return {key: one.value for key, one in estimates_of(details, task).items() if one.value is not None}
