"""The same bytes every time: fixed threads, seeds and kernels, and the precision that a training runs in."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch

from cytopipe.errors import CytopipeError
from cytopipe.params import Runtime

logger = logging.getLogger("cytopipe")
Precision = Literal["fp32", "bf16"]
_WORTH_IT = 1.15  # bf16 must be this much faster: its rounding is not free


def choose_device(device: str, where: str = "runtime.device") -> torch.device:
    """The device of this name; auto takes CUDA where there is one. `where` it was named is for the message.

    Raises:
        CytopipeError: when CUDA is asked for and there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise CytopipeError("no CUDA device is usable here", where=where, hint="use auto or cpu")
    return torch.device(device)


def make_deterministic(num_threads: int) -> None:
    """Fix the threads (results depend on their number) and refuse nondeterministic kernels.

    Call before CUDA starts: the cuBLAS workspace is read once.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def prepare(runtime: Runtime) -> torch.device:
    """Fix what determines torch's results and return the device to compute on.

    Raises:
        CytopipeError: as `choose_device`.
    """
    make_deterministic(runtime.num_threads)
    return choose_device(runtime.device)


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed torch for one epoch, so that a resumed training draws what an undisturbed one would."""
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch, 0x5EED]).generate_state(1)[0]))


@contextlib.contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Run the forward pass in this precision; weights stay fp32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


def choose_precision(asked: str, step: Callable[[Precision], None]) -> Precision:
    """Resolve `precision: auto` by measuring `step`, a forward and backward pass without an update.

    bf16 more than halves the time of some networks on a CPU and doubles that of others, so it is measured. The
    choice can differ between machines and even runs: where bytes must not, name the precision.
    """
    if asked == "fp32" or asked == "bf16":
        return asked  # type: ignore[return-value]  # Literal narrowing of a str
    seconds: dict[Precision, float] = {"fp32": float("inf"), "bf16": float("inf")}
    for _ in range(3):
        for precision in seconds:
            start = time.perf_counter()
            step(precision)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[precision] = min(seconds[precision], time.perf_counter() - start)
    ratio = seconds["fp32"] / seconds["bf16"]
    chosen: Precision = "bf16" if ratio >= _WORTH_IT else "fp32"
    logger.info("precision auto: bf16 measured x%.2f the speed of fp32, so %s", ratio, chosen)
    return chosen
