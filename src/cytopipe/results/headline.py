"""metrics.json: the few flat numbers that `dvc metrics show` prints for each model."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from cytopipe.metrics.registry import Task, displayed, of_task
from cytopipe.results.contract import Collection
from cytopipe.results.numbers import Interval

MOST = 14  # numbers of one model
DECIMALS = 4  # of the display; details.json has six significant digits


class Headline(Collection[Annotated[dict[str, float], Field(max_length=MOST)]]):
    """The numbers by name: flat, none of them null. A number that is not defined is absent, its reason in the details.

    DVC makes one column of each name that any model has, so the tasks share the names that mean the same.
    """

    @classmethod
    def of(cls, task: Task, values: dict[str, float | None], interval: Interval | None) -> Self:
        """Choose what is displayed.

        Args:
            task: of the model.
            values: metrics by their key in the registry.
            interval: of the task's leading metric.
        """
        shown = {one.column: values[one.key] for one in displayed(task) if values.get(one.key) is not None}
        leading = of_task(task)[0].column
        found: dict[str, float] = {}
        for name, value in shown.items():
            found[name] = round(float(value or 0.0), DECIMALS)
            if name == leading and interval:
                found |= {"low": round(interval.low, DECIMALS), "high": round(interval.high, DECIMALS)}
        return cls(found)
