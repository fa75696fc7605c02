"""The pins of `runtime.cpu: portable`: before any import, in every library, and in the bytes of a training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.core.pipeline import processor
from cytopipe.core.pipeline.processor import AVX512_SKX, X86_64_V3, features, fix, is_portable, pins
from cytopipe.errors import CytopipeError

needs_avx2 = pytest.mark.skipif(not is_portable(features()), reason="this processor has no AVX2: nothing is pinned")
RIVALS = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AUTO", "NPY_ENABLE_CPU_FEATURES": "X86_V3"}


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, in which nothing is pinned or imported yet."""
    fixed = {*pins(AVX512_SKX, "2.4"), *RIVALS}
    inherited = {name: value for name, value in os.environ.items() if name not in fixed}
    command = [sys.executable, "-W", "error::ImportWarning", "-c", code, *arguments]
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the environment variables that a test sets."""
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", *RIVALS, *pins(AVX512_SKX, "2.4")):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


# ---------------------------------------------------------------- features


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor\t: 0\nflags\t\t: fpu avx2 avx\nbugs\t: none\n\nprocessor\t: 1\nflags\t\t: fpu\n",
            ("avx", "avx2", "fpu"),
        ),
        ("Features\t: fp asimd bf16\n", ("asimd", "bf16", "fp")),
        ("processor : 0\n", ()),
    ],
)
def test_features_are_those_of_the_first_core(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert features(tmp_path / "cpuinfo") == expected


def test_a_system_that_names_no_features_has_none(tmp_path: Path) -> None:
    assert features(tmp_path / "none") == ()
    assert not is_portable(())


def test_a_processor_is_portable_with_every_feature_of_x86_64_v3() -> None:
    assert is_portable(X86_64_V3 | AVX512_SKX)
    assert not any(is_portable(X86_64_V3 - {one}) for one in X86_64_V3)


# ---------------------------------------------------------------- pins


def test_opencv_is_told_to_disable_only_what_the_processor_has() -> None:
    assert pins(X86_64_V3 | AVX512_SKX, "2.4.6")["OPENCV_CPU_DISABLE"] == "AVX512-SKX"
    assert "OPENCV_CPU_DISABLE" not in pins(X86_64_V3 | {"avx512f"}, "2.4.6")


@pytest.mark.parametrize(
    ("numpy", "name"), [("2.0.1", "AVX512F"), ("2.3.5", "AVX512F"), ("2.4.6", "X86_V4"), ("3.0.0", "X86_V4")]
)
def test_numpy_is_told_in_the_names_of_its_version(numpy: str, name: str) -> None:
    assert pins((), numpy)["NPY_DISABLE_CPU_FEATURES"].split()[0] == name


@pytest.mark.usefixtures("environment")
def test_idle_threads_sleep_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    fix(2, "native")
    assert os.environ["OMP_WAIT_POLICY"] == "passive" and os.environ["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    fix(3, "native")
    assert os.environ["OMP_WAIT_POLICY"] == "active" and os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.usefixtures("environment")
def test_native_pins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "features", lambda: tuple(X86_64_V3 | AVX512_SKX))
    fix(2, "native")
    assert not set(pins(AVX512_SKX, "2.4")) - {"OPENBLAS_NUM_THREADS"} & set(os.environ)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("has", [(), tuple(X86_64_V3 - {"avx2"}), ("asimd", "sve")])
def test_a_processor_without_avx2_is_told_so_in_one_line(
    has: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processor, "features", lambda: has)
    fix(2, "portable")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "bytes are not promised here; metrics agree within 0.02" in said
    assert "MKL_CBWR" not in os.environ and os.environ["OMP_NUM_THREADS"] == "2"


@pytest.mark.usefixtures("environment")
def test_pins_after_an_import_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "features", lambda: tuple(X86_64_V3))
    monkeypatch.setitem(sys.modules, "numpy", os)
    with pytest.raises(
        CytopipeError, match=r"runtime.cpu: the instruction set must be chosen before numpy.* is imported"
    ):
        fix(2, "portable")
    assert "MKL_CBWR" not in os.environ


@pytest.mark.usefixtures("environment")
def test_a_child_of_a_portable_process_has_its_pins_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "features", lambda: tuple(X86_64_V3))
    for name in processor.LIBRARIES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    fix(2, "portable")
    monkeypatch.setitem(sys.modules, "numpy", os)
    fix(3, "portable")
    assert os.environ["OMP_NUM_THREADS"] == "3" and os.environ["MKL_CBWR"] == "COMPATIBLE"


# ---------------------------------------------------------------- in effect

IMPORTS = """
import runpy, sys
from cytopipe.core.pipeline import processor, stage
for script in sys.argv[1:]:
    runpy.run_path(script)
    if found := [name for name in (*processor.LIBRARIES, "PIL", "onnxruntime") if name in sys.modules]:
        sys.exit(f"{script} imports {found}")
"""


def test_stages_import_nothing_that_computes_before_the_pins(root: Path) -> None:
    scripts = sorted(map(str, (root / "stages").glob("*.py")))
    assert python(IMPORTS, *scripts).stderr == ""


PINNED = """
import json, sys
from cytopipe.core.pipeline.processor import fix
fix(1, sys.argv[1])
import cv2, numpy, scipy.linalg, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
print(json.dumps({
    "numpy": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "torch": torch.backends.cpu.get_cpu_capability(),
    "opencv": cv2.getCPUFeaturesLine().split(),
    "ipp": cv2.ipp.getIppVersion(),
    "blas": [one["architecture"] for one in threadpool_info() if one["internal_api"] == "openblas"],
}))
"""


@needs_avx2
@pytest.mark.parametrize("rivals", [{}, RIVALS])
def test_every_library_takes_the_pinned_instruction_set(rivals: dict[str, str]) -> None:
    result = python(PINNED, "portable", **rivals)
    assert result.returncode == 0 and result.stderr == ""  # no library warns of a name that it does not know
    found = json.loads(result.stdout)
    assert not any("AVX512" in name or name == "X86_V4" for name in found["numpy"])
    assert found["torch"] == "AVX2"
    assert "*AVX2" in found["opencv"] and not any("512" in one for one in found["opencv"] if not one.endswith("?"))
    assert "AVX-512" not in found["ipp"]
    assert len(found["blas"]) >= 2 and set(found["blas"]) == {"Haswell"}  # numpy and scipy have a copy each


@needs_avx2
def test_onednn_is_limited_to_avx2() -> None:
    code = """
from cytopipe.core.pipeline.processor import fix
fix(1, "portable")
import torch
torch.nn.Conv2d(8, 8, 3)(torch.ones(2, 8, 9, 9))
"""
    result = python(code, ONEDNN_VERBOSE="1")
    assert "cpu,isa:Intel AVX2\n" in result.stdout and ":avx512" not in result.stdout, result.stderr


TRAINING = """
import hashlib, sys
from cytopipe.core.pipeline.processor import fix
fix(1, "portable")
import torch
from cytopipe.core.params import Runtime
from cytopipe.models.determinism import choose_precision, prepare
from cytopipe.models.registry import build
device = prepare(Runtime(device="cpu", cpu="portable", num_threads=1))
assert choose_precision("auto", device) == "fp32"
found = hashlib.sha256()
for name, arguments in {
    "cell_background": {"num_classes": 2, "in_channels": 3, "input_size": 24},
    "timm/test_resnet": {"num_classes": 2, "in_channels": 3},
}.items():
    torch.manual_seed(0)
    model = build(name, **arguments).to(memory_format=torch.channels_last).train()
    images = torch.rand(8, 3, 24, 24).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), torch.arange(8) % 2).backward()
        optimizer.step()
    for value in model.state_dict().values():
        found.update(value.contiguous().numpy().tobytes())
print(found.hexdigest())
"""


@needs_avx2
def test_a_portable_training_ends_with_the_same_bytes_whatever_the_shell_says() -> None:
    first = python(TRAINING)
    shell = {"OPENBLAS_CORETYPE": "Nehalem", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "DNNL_MAX_CPU_ISA": "SSE41"}
    second = python(TRAINING, **RIVALS, **shell, OMP_NUM_THREADS="2", NPY_DISABLE_CPU_FEATURES="X86_V3")
    assert len(first.stdout) == 65 and first.stdout == second.stdout, first.stderr + second.stderr
