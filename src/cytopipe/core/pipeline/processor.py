"""Fixes how the processor computes, before any numerical library is imported: number of threads and instruction set.

Sums depend on both: vector units of another width add in another order. `runtime.cpu: portable` pins x86-64-v3 (AVX2
and FMA) in every library that would choose its kernels by the processor, so that all such processors write the same
bytes. What has no choice at run time needs no pin: scikit-learn, scikit-image and scipy outside BLAS are compiled for
the baseline of x86-64. Decoders of PNG and JPEG do choose, but compute with integers and agree to the bit.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from cytopipe.core.params import Cpu
from cytopipe.core.pipeline.waiting import wait_asleep
from cytopipe.errors import CytopipeError

TOLERANCE = 0.02  # of a metric between 0 and 1 where bytes are not promised
LIBRARIES = ("numpy", "scipy", "cv2", "torch", "sklearn")  # they read their settings once, when they are imported

X86_64_V3 = frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})  # by the names of Linux
AVX512_SKX = frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})

_PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # Of MKL's branches, the one that Intel and AMD share: on AMD, `AVX2` is read as `AUTO`.
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",  # of numpy's and of scipy's copy
    "OPENBLAS_NUM_THREADS": "1",  # it takes no more threads than there are cores, and so would split sums differently
    "OPENCV_IPP": "avx2",
    "OMP_DYNAMIC": "FALSE",
    "MKL_DYNAMIC": "FALSE",
}
_RIVALS = (  # settings of a user's shell that would undo the pins
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_ENABLE_CPU_FEATURES",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
)
_THREADS = ("OPENBLAS_NUM_THREADS",)  # set by `fix` in any case
_CPUINFO_KEYS = ("flags", "Features")  # on x86-64, on aarch64


@cache
def features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Features of the processor by Linux's names, sorted, such as avx2 or avx512_bf16; () where Linux names none."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # another operating system
        return ()
    pairs = (line.partition(":") for line in lines)
    first = next((value.split() for key, _, value in pairs if key.strip() in _CPUINFO_KEYS), [])
    return tuple(sorted(set(first)))


def is_portable(has: Collection[str]) -> bool:
    """Whether a processor with these features has the instruction set that `portable` pins."""
    return X86_64_V3.issubset(has)


def pins(has: Collection[str], numpy: str) -> dict[str, str]:
    """Environment variables that pin the instruction set.

    Args:
        has: features of the processor.
        numpy: version of numpy, which decides how it names features.
    """
    found = {**_PINS, "NPY_DISABLE_CPU_FEATURES": " ".join(_numpy_features(numpy))}
    if AVX512_SKX.issubset(has):  # OpenCV warns of features to disable that the processor does not have
        found["OPENCV_CPU_DISABLE"] = "AVX512-SKX"
    return found


def _numpy_features(numpy: str) -> tuple[str, ...]:
    """What numpy dispatches to above AVX2; it warns of names that it does not know, but not of missing features."""
    major, minor = map(int, numpy.split(".")[:2])
    if (major, minor) >= (2, 4):
        return ("X86_V4", "AVX512_ICL", "AVX512_SPR")
    return ("AVX512F", "AVX512CD", "AVX512_SKX", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL", "AVX512_SPR")


def fix(threads: int, cpu: Cpu) -> None:
    """Set the number of threads and the instruction set of this process and of those that it starts.

    Where the processor lacks the pinned instruction set, nothing is pinned, and one line on standard error says that
    bytes may differ.

    Args:
        threads: threads of every numerical library.
        cpu: portable (x86-64-v3) or native (whatever the processor has).

    Raises:
        CytopipeError: a numerical library has been imported already, so that the pins would come too late.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[variable] = str(threads)
    wait_asleep()
    if cpu == "native":
        return
    if not is_portable(features()):
        print(_not_promised(), file=sys.stderr)
        return
    _pin(pins(features(), version("numpy")), sys.modules)


def _pin(wanted: Mapping[str, str], modules: Collection[str]) -> None:
    rivals = [name for name in _RIVALS if name in os.environ]
    late = rivals or any(os.environ.get(name) != value for name, value in wanted.items() if name not in _THREADS)
    loaded = ", ".join(name for name in LIBRARIES if name in modules)
    if late and loaded:
        raise CytopipeError(
            f"the instruction set must be chosen before {loaded} is imported",
            where="runtime.cpu",
            hint="import it inside functions, or start Python with runtime.cpu: native",
        )
    for name in rivals:
        del os.environ[name]
    os.environ.update(wanted)


def _not_promised() -> str:
    return (
        f"runtime.cpu: portable needs x86-64 with AVX2, and this processor ({platform.machine()}) is another: "
        f"bytes are not promised here; metrics agree within {TOLERANCE:g}"
    )
