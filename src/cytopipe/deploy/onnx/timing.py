"""Two ways to compute the same, timed in turn: what else the machine does hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 21  # of each side
ENOUGH = 20.0  # seconds, after which no further round is begun
FEWEST = 5


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a call, and how many times faster ONNX Runtime is: the ratio of the two medians."""

    torch_ms: float
    onnx_ms: float
    ratio: float


def time_both(torch_call: Callable[[], object], onnx_call: Callable[[], object], rounds: int = ROUNDS) -> Timing:
    """Time two calls in turn, after one of each that does not count."""
    seconds: tuple[list[float], list[float]] = ([], [])
    begun = time.perf_counter()
    for number in range(rounds + 1):
        for call, taken in zip((torch_call, onnx_call), seconds, strict=True):
            start = time.perf_counter()
            call()
            if number:
                taken.append(time.perf_counter() - start)
        if number >= FEWEST and time.perf_counter() - begun > ENOUGH:
            break
    torch_ms, onnx_ms = (1000 * statistics.median(taken) for taken in seconds)
    return Timing(torch_ms, onnx_ms, torch_ms / onnx_ms)
