"""Types of numbers that several results share: estimates with intervals, and spreads over networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from cytopipe.results.contract import Record

INTERVAL = "interval"  # key of the intervals in the results of functions of `metrics`


class Estimate(Record):
    """A number with its 95 % interval; None if the number is not defined, or has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float | None, limits: Mapping[str, float] | None) -> Self:
        """Make an estimate from a value and its limits, as functions of `metrics` return them."""
        return cls(value=value, **(limits or {}))

    @classmethod
    def of_all(cls, measured: Mapping[str, Any]) -> dict[str, Self]:
        """Make an estimate of every number of a mapping, with limits from its key `interval`."""
        limits = measured.get(INTERVAL) or {}
        return {
            name: cls.of(value, limits.get(name))
            for name, value in measured.items()
            if name != INTERVAL and (value is None or isinstance(value, float))
        }


Estimates = dict[str, Estimate]  # by metric


class Interval(Record):
    """Limits of a 95 % interval."""

    low: float
    high: float


class Spread(Record):
    """A metric of several networks: every value, and mean and standard deviation of the defined ones."""

    mean: float | None
    sd: float | None
    values: tuple[float | None, ...]


class Spreads(Record):
    """The spread of every metric over folds or seeds, and their number."""

    count: int
    metrics: dict[str, Spread]
