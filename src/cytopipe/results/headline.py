"""metrics.json: the few flat numbers that `dvc metrics show` prints for each model."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from cytopipe.metrics.registry import Task, displayed, of_task
from cytopipe.results.contract import Collection
from cytopipe.results.details import Details, estimate_of

MOST = 14  # numbers of one model
DECIMALS = 4  # of the display; details.json has six significant digits


class Headline(Collection[Annotated[dict[str, float], Field(max_length=MOST)]]):
    """The numbers by name: flat, none of them null. A number that is not defined is absent, its reason in the details.

    DVC makes one column of each name that any model has, so the tasks share the names that mean the same.
    """

    @classmethod
    def of(cls, task: Task, details: Details) -> Self:
        """Choose what is displayed from the details of a model."""
        found: dict[str, float] = {}
        for metric in displayed(task):
            estimate = estimate_of(details, metric)
            if estimate is None or estimate.value is None:
                continue
            found[metric.column] = round(estimate.value, DECIMALS)
            if metric is of_task(task)[0] and estimate.low is not None and estimate.high is not None:
                found |= {"low": round(estimate.low, DECIMALS), "high": round(estimate.high, DECIMALS)}
        return cls(found)
