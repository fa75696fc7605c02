"""Types of numbers that several results share: estimates with intervals, and spreads over networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field

from cytopipe.results.contract import Record

if TYPE_CHECKING:  # stages fix the processor before numpy is imported
    from cytopipe.metrics.intervals import Measured


class Estimate(Record):
    """A number with its 95 % interval; None if the number is not defined, or has no interval.

    `withheld` is the reason why a defined number has no interval; the file lacks it where there is one.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    withheld: str | None = Field(None, exclude_if=lambda value: value is None)

    @classmethod
    def of(cls, measured: Measured) -> Self:
        """Make an estimate from what functions of `metrics` return."""
        return cls(value=measured.value, low=measured.low, high=measured.high, withheld=measured.withheld or None)

    @classmethod
    def of_all(cls, measured: Mapping[str, Measured]) -> dict[str, Self]:
        """Make an estimate of every number of a mapping."""
        return {name: cls.of(one) for name, one in measured.items()}


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
