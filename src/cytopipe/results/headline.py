"""metrics.json: the few numbers of each model that `dvc metrics show` prints."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from cytopipe.metrics.registry import Task, displayed, of_task
from cytopipe.results.contract import Collection
from cytopipe.results.details import Details, estimate_of

MOST = 14  # numbers of one model
DECIMALS = 4  # of the display; details.json has six significant digits


class Headline(Collection[Annotated[dict[str, float], Field(max_length=MOST)]]):
    """Flat numbers by name, none of them null. An undefined number is absent; details.json has the reason.

    `dvc metrics show` has one column for each name, so tasks share the names that mean the same.
    """

    @classmethod
    def of(cls, task: Task, details: Details) -> Self:
        """Select the displayed numbers from the details of a model."""
        found: dict[str, float] = {}
        for metric in displayed(task):
            estimate = estimate_of(details, metric)
            if estimate is None or estimate.value is None:
                continue
            found[metric.column] = round(estimate.value, DECIMALS)
            if metric is of_task(task)[0] and estimate.low is not None and estimate.high is not None:
                found |= {"low": round(estimate.low, DECIMALS), "high": round(estimate.high, DECIMALS)}
        return cls(found)
