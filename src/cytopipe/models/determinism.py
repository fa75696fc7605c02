"""Reproducible training: fixed threads, seeds and deterministic kernels; device and numerical precision."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch

from cytopipe.core.params import Runtime
from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import Precision

logger = logging.getLogger("cytopipe")
_WORTH_IT = 1.15  # speed-up from which bf16 is worth its rounding errors


def choose_device(device: str, where: str = "runtime.device") -> torch.device:
    """The device of this name.

    Args:
        device: auto (CUDA if available), cpu or cuda.
        where: option that names it, for the message.

    Raises:
        CytopipeError: CUDA is requested but not available.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise CytopipeError("no CUDA device is usable here", where=where, hint="use auto or cpu")
    return torch.device(device)


def make_deterministic(num_threads: int) -> None:
    """Set the number of threads, on which results depend, and forbid nondeterministic kernels.

    Call this before CUDA is initialised: cuBLAS reads its workspace setting only once.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(num_threads)
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")
    # The same as use_deterministic_algorithms(True), which imports the whole compiler (150 MB) to set that variable.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.benchmark = False


def prepare(runtime: Runtime) -> torch.device:
    """Make torch deterministic and return the device to compute on.

    Raises:
        CytopipeError: CUDA is requested but not available.
    """
    make_deterministic(runtime.num_threads)
    return choose_device(runtime.device)


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed torch for one epoch, so that a resumed training draws the same numbers as an uninterrupted one."""
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch, 0x5EED]).generate_state(1)[0]))


@contextlib.contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Run forward passes in this precision; weights stay in fp32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


def choose_precision(asked: Literal["auto", "fp32", "bf16"], step: Callable[[Precision], None]) -> Precision:
    """Resolve `precision: auto` by timing `step`, a forward and backward pass without an update.

    On a CPU, bf16 more than halves the time of some networks and doubles that of others, so it is measured. The choice
    can differ between machines and even between runs: to get the same bytes everywhere, set the precision.
    """
    if asked != "auto":
        return asked
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
