"""Reproducible training: fixed threads, seeds and deterministic kernels; device and numerical precision."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from cytopipe.core.params import Runtime
from cytopipe.core.pipeline.processor import features
from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import Precision

logger = logging.getLogger("cytopipe")
BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})


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
        raise CytopipeError(
            "no CUDA device is usable here",
            where=where,
            hint="use auto or cpu; nvidia-smi shows the GPUs and the driver",
        )
    return torch.device(device)


def make_deterministic(num_threads: int) -> None:
    """Set the number of threads, on which results depend, and forbid kernels whose results vary.

    NNPACK, which torch takes for some convolutions of single images, splits its sums by the sizes of the caches.

    Call this before CUDA is initialised: cuBLAS reads its workspace setting only once.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(num_threads)
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")
    # The same as use_deterministic_algorithms(True), which imports the whole compiler (150 MB) to set that variable.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.benchmark = False
    torch.backends.mkldnn.deterministic = True  # type: ignore[assignment]  # wrongly typed in torch
    torch.backends.nnpack.set_flags(False)


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


def choose_precision(asked: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """Resolve `precision: auto`: bf16 where the GPU or the processor has instructions for it, else fp32.

    A CPU counts only if torch may use these instructions, which `runtime.cpu: portable` forbids.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        unlimited = torch.backends.cpu.get_cpu_capability() == "AVX512"
        has_bf16 = unlimited and not BF16_INSTRUCTIONS.isdisjoint(features())
    chosen: Precision = "bf16" if has_bf16 else "fp32"
    logger.info("precision auto: %s on this %s", chosen, "GPU" if device.type == "cuda" else "processor")
    return chosen
