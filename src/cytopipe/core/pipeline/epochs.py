"""The progress line of a training: measures, time left, share of time that waits for data, and the best epoch.

Times are shown and never stored: no output may depend on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class TimedEpoch(dict[str, float]):
    """The measures of an epoch, equal to a dict of them; `waited` is the share of its time that waited for data."""

    def __init__(self, measures: Mapping[str, float], waited: float) -> None:
        super().__init__(measures)
        self.waited = waited


class DataClock:
    """Measures the share of time in which a loop waits for its next item."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun, self._waited = clock(), 0.0

    def timed(self, items: Iterator[T]) -> Iterator[T]:
        """The items; the time that each takes to come is noted."""
        self._begun, self._waited = self._clock(), 0.0
        while True:
            asked = self._clock()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._waited += self._clock() - asked
            yield item

    @property
    def share(self) -> float:
        """Share of the time since `timed` began, 0 to 1."""
        return min(1.0, self._waited / max(self._clock() - self._begun, 1e-9))


class EpochLine:
    """Words about each epoch of one network's training.

    Args:
        epochs: of the training; None where they are not known.
        clock: monotonic seconds.
    """

    def __init__(self, epochs: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.epochs, self._clock = epochs, clock
        self._times: dict[int, float] = {}
        self.best = 0

    def describe(self, measures: Mapping[str, float]) -> str:
        """What is known after an epoch, such as `best: epoch 3  3% of the time waits for data  about 2 min left`."""
        epoch = int(measures["epoch"])
        if measures.get("best"):
            self.best = epoch
        parts = [f"best: epoch {self.best}"] if self.best else []
        waited = getattr(measures, "waited", None)
        if waited is not None:  # epochs of before a resume come all at once, and give no pace
            self._times[epoch] = self._clock()
            parts.append(f"{waited:.0%} of the time waits for data")
            parts += [f"about {duration(left)} left"] if (left := self._left(epoch)) is not None else []
        return "  ".join(parts)

    def _left(self, epoch: int) -> float | None:
        """Seconds of the epochs to come at the pace of the last five; None before there is a pace."""
        if self.epochs is None or epoch >= self.epochs:
            return None
        recent = [number for number in range(max(1, epoch - 5), epoch + 1) if number in self._times]
        if len(recent) < 2:
            return None
        pace = (self._times[recent[-1]] - self._times[recent[0]]) / (recent[-1] - recent[0])
        return pace * (self.epochs - epoch)


def duration(seconds: float) -> str:
    """Seconds in words of at most two units: `40 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
