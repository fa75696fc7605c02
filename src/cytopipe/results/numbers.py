"""Numbers that several results share: estimates with their intervals, and spreads over networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from cytopipe.results.contract import Record

INTERVAL = "interval"  # key below which the functions of `metrics` put the limits of the values beside it


class Estimate(Record):
    """A number with the limits of its 95 % interval; None for what is not defined, or has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float | None, limits: Mapping[str, float] | None) -> Self:
        """A value and its limits as the functions of `metrics` give them."""
        return cls(value=value, **(limits or {}))

    @classmethod
    def of_all(cls, measured: Mapping[str, Any]) -> dict[str, Self]:
        """Every number of a mapping, with its limits from the mapping's `interval`."""
        limits = measured.get(INTERVAL) or {}
        return {
            name: cls.of(value, limits.get(name))
            for name, value in measured.items()
            if name != INTERVAL and (value is None or isinstance(value, float))
        }


Estimates = dict[str, Estimate]  # by metric


class Interval(Record):
    """The limits of a 95 % interval."""

    low: float
    high: float


class Spread(Record):
    """A metric of several networks: mean and standard deviation of those that are defined, and every value."""

    mean: float | None
    sd: float | None
    values: tuple[float | None, ...]


class Spreads(Record):
    """The spread of every metric over folds or seeds, and the number of these."""

    count: int
    metrics: dict[str, Spread]
