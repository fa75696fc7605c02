"""Run ONNX files with ONNX Runtime on the CPU, and compare the speed with torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cytopipe.deploy.onnx.external import refuse_external_data
from cytopipe.deploy.onnx.source import INPUT

ROUNDS = 21  # timed calls of each side
ENOUGH = 20.0  # seconds after which no further round begins
FEWEST = 5  # rounds that are timed in any case


class Session:
    """An ONNX file, ready to run.

    Args:
        data: contents of the file.
        threads: number of threads per run.

    Attributes:
        inputs, outputs: shapes by name.

    Raises:
        CytopipeError: the file keeps tensors in other files.
    """

    def __init__(self, data: bytes, threads: int) -> None:
        import onnxruntime

        refuse_external_data(data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        # Threads that spin between runs would slow down torch, which is timed in turn.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs: dict[str, list[int | str]] = {one.name: one.shape for one in self._session.get_inputs()}
        self.outputs: dict[str, list[int | str]] = {one.name: one.shape for one in self._session.get_outputs()}

    def __call__(self, items: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model on N x S x S x C uint8 items; returns every output by name."""
        return dict(zip(self.outputs, self._session.run(None, {INPUT: items}), strict=True))


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a call, and how many times faster ONNX Runtime is: the ratio of the two medians."""

    torch_ms: float
    onnx_ms: float
    ratio: float


def time_both(torch_call: Callable[[], object], onnx_call: Callable[[], object], rounds: int = ROUNDS) -> Timing:
    """Time two calls in turn, after an untimed warm-up of each."""
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
