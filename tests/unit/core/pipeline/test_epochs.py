"""The progress line of trainings, on a clock of the test."""

from __future__ import annotations

import pytest

from cytopipe.core.pipeline.epochs import DataClock, EpochLine, TimedEpoch, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_left_waiting_and_the_best_epoch_are_told() -> None:
    clock = Clock()
    line = EpochLine(10, clock)
    told = []
    for epoch, best in enumerate([1.0, 1.0, 0.0], start=1):
        clock.now += 60
        told.append(line.describe(TimedEpoch({"epoch": epoch, "best": best}, 0.254)))
    assert told == [
        "best: epoch 1  25% of the time waits for data",
        "best: epoch 2  25% of the time waits for data  about 8 min left",
        "best: epoch 2  25% of the time waits for data  about 7 min left",
    ]
    assert "left" not in EpochLine(1, clock).describe(TimedEpoch({"epoch": 1}, 0.0))


def test_epochs_of_before_a_resume_give_no_pace() -> None:
    line = EpochLine(10, Clock())
    assert line.describe({"epoch": 1, "best": 1.0}) == "best: epoch 1"
    assert line.describe({"epoch": 2, "best": 0.0}) == "best: epoch 1"


def test_the_pace_after_a_resume_is_that_of_the_epochs_since() -> None:
    clock = Clock()
    line = EpochLine(10, clock)
    for epoch in (1, 2, 3, 4):
        line.describe({"epoch": epoch})
    told = []
    for epoch in (5, 6):
        clock.now += 60
        told.append(line.describe(TimedEpoch({"epoch": epoch}, 0.0)))
    assert told == ["0% of the time waits for data", "0% of the time waits for data  about 4 min left"]


def test_a_timed_epoch_is_equal_to_its_measures() -> None:
    assert TimedEpoch({"epoch": 1.0}, 0.5) == {"epoch": 1.0}


def test_the_share_that_waits() -> None:
    clock = Clock()

    def slow() -> object:
        for number in range(3):
            clock.now += 1
            yield number

    waiting = DataClock(clock)
    for _ in waiting.timed(slow()):  # type: ignore[arg-type]
        clock.now += 3
    assert waiting.share == pytest.approx(3 / 12)
    assert list(waiting.timed(iter(()))) == [] and waiting.share == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89, "89 s"), (120, "2 min"), (5399, "90 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) in (words, "1 h 30 min")
