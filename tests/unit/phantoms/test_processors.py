"""What the project draws, splits and cuts at a threshold has the same bytes on every processor.

After a change that means to change them, write the golden sums anew:

    python tests/unit/phantoms/test_processors.py
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]  # numpy gives no public name
    __cpu_dispatch__,
    __cpu_features__,
)

from cytopipe_phantoms.registry import layouts

PROBE = Path(__file__).with_name("processor_probe.py")
GOLDEN = Path(__file__).parents[2] / "baselines" / "phantoms.json"
X86 = platform.machine() in ("x86_64", "AMD64")
Sums = dict[str, str]


def without(newest: str) -> dict[str, str]:
    """Environment that switches off AVX-512, or with "AVX2" everything newer than SSE4.2, in each library.

    It names only features that the library has code for, and numpy's also that this processor has, as they warn of
    others.
    """
    wide = re.compile("AVX512|X86_V4" if newest == "AVX512" else "AVX|X86_V[34]|FMA|F16C")
    numpys = [name for name in __cpu_dispatch__ if wide.match(name) and __cpu_features__.get(name)]
    built = re.search(r"Dispatched code generation: +(.*)", cv2.getBuildInformation())
    opencvs = [name for name in (built[1].split() if built else ()) if wide.match(name)]
    avx512 = [f"-AVX512{part}" for part in ("F", "VL", "BW", "DQ", "CD")]
    glibcs = avx512 if newest == "AVX512" else [*avx512, "-AVX2", "-FMA", "-FMA4", "-AVX"]
    found = {
        "NPY_DISABLE_CPU_FEATURES": ",".join(numpys),
        "OPENCV_CPU_DISABLE": ",".join(name.replace("AVX512_", "AVX512-") for name in opencvs),
        "OPENCV_IPP": "avx2" if newest == "AVX512" else "sse42",
        "OPENBLAS_CORETYPE": "Haswell" if newest == "AVX512" else "Nehalem",
        "ATEN_CPU_CAPABILITY": "avx2" if newest == "AVX512" else "default",
        "ONEDNN_MAX_CPU_ISA": "AVX2" if newest == "AVX512" else "SSE41",
        "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={','.join(glibcs)}",
    }
    if newest == "AVX2":
        found["JSIMD_FORCENONE"] = "1"
    return {name: value for name, value in found.items() if value}


def probe(environment: dict[str, str], *parts: str, under: tuple[str, ...] = ()) -> tuple[Sums, str]:
    """The sums that the probe prints in a process with this environment, and what it says on standard error."""
    python = (os.path.realpath(sys.executable),)  # an emulator starts no symbolic link of a virtual environment
    found = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment
    done = subprocess.run(
        [*under, *python, str(PROBE), *parts], env=found, capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    sums: Sums = json.loads(done.stdout)
    return sums, done.stderr


@pytest.fixture(scope="module")
def golden() -> Sums:
    sums: Sums = json.loads(GOLDEN.read_text())
    return sums


def test_every_layout_has_a_golden_sum(golden: Sums) -> None:
    assert set(layouts()) < set(golden)


def test_this_processor_gives_the_golden_sums(golden: Sums) -> None:
    assert probe({})[0] == golden


@pytest.mark.skipif(not X86, reason="the features that are switched off are those of x86-64")
@pytest.mark.parametrize("newest", ["AVX512", "AVX2"])
def test_a_processor_without_these_features_gives_the_golden_sums(newest: str, golden: Sums) -> None:
    found, said = probe(without(newest))
    assert found == golden
    assert "disable" not in said.lower()  # a warning of numpy or OpenCV that a feature is none


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64 (Debian: qemu-user)")
@pytest.mark.skipif(not X86, reason="the emulator runs this Python, which must be one for x86-64")
@pytest.mark.parametrize("processor", ["Nehalem", "Haswell"])
def test_an_emulated_processor_draws_the_golden_field(processor: str, golden: Sums) -> None:
    found, _ = probe({}, "malaria", under=("qemu-x86_64", "-cpu", processor))
    assert found == {"malaria": golden["malaria"]}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(probe({})[0], indent=2) + "\n")
