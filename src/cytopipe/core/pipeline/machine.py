"""Facts of the machine that a stage ran on: everything besides code, parameters and inputs that can change its bytes.

Every stage writes them to `.cytopipe/provenance/<stage>.json`, which is neither an output nor in git: they would differ
on every machine. Names of hosts and users, paths and times are not among them.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cytopipe import paths
from cytopipe.core.io.atomic import write_json
from cytopipe.core.params import Params
from cytopipe.core.pipeline.processor import AVX512_SKX, X86_64_V3, features, is_portable

# The instruction sets by which numerical libraries choose their kernels, as Linux names them.
INSTRUCTION_SETS = X86_64_V3 | {
    *("sse4_1", "sse4_2", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *AVX512_SKX,
    *("asimd", "asimddp", "bf16", "i8mm", "sve", "sve2"),  # of ARM
}
COMPUTING = (
    *("numpy", "scipy", "scikit-learn", "scikit-image", "pandas", "opencv-python-headless", "pillow", "pyvips"),
    *("imagehash", "torch", "torchvision", "timm", "monai", "captum", "safetensors", "matplotlib"),
)


class Machine(BaseModel):
    """Facts of a machine, and the parameters that say how it is used.

    Attributes:
        architecture: such as x86_64 or aarch64.
        processor: model of the processor; empty if the system does not tell.
        features: its instruction sets, of those by which numerical libraries choose kernels, sorted.
        caches: size of its caches for data by level, such as `{"L1": "32K"}`.
        cores: cores that the process may use.
        cpu: `runtime.cpu`: portable or native.
        threads: `runtime.num_threads`.
        gpu: model of the GPU that was used, with the version of CUDA; None if none was.
        system: name of the operating system.
        libc: name and version of the C library.
        python: version of Python.
        packages: versions of the installed packages that compute.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    processor: str
    features: tuple[str, ...]
    caches: dict[str, str]
    cores: int
    cpu: str
    threads: int
    gpu: str | None
    system: str
    libc: str
    python: str
    packages: dict[str, str]

    @classmethod
    def here(cls, params: Params) -> Self:
        """The facts of this machine as this process uses it."""
        return cls(
            architecture=platform.machine(),
            processor=read_name(),
            features=tuple(name for name in features() if name in INSTRUCTION_SETS),
            caches=read_caches(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            cpu=params.runtime.cpu,
            threads=params.runtime.num_threads,
            gpu=_gpu(),
            system=platform.system(),
            libc=" ".join(filter(None, platform.libc_ver())),
            python=platform.python_version(),
            packages=versions(COMPUTING),
        )

    @classmethod
    def of_stage(cls, label: str, root: Path = Path()) -> Self | None:
        """The facts that a stage, `name` or `name@item`, left when it last ran here; None if it left none."""
        try:
            return cls.model_validate_json((root / _file(label)).read_bytes())
        except (OSError, ValidationError):  # a file of another version of this library tells nothing
            return None

    def leave(self, label: str) -> None:
        """Write the facts for a stage that has just run."""
        write_json(_file(label), self.model_dump(mode="json"))

    @property
    def is_portable(self) -> bool:
        """Whether `runtime.cpu: portable` promises the same bytes on this processor: x86-64 with AVX2."""
        return is_portable(self.features)

    def differences(self, other: Machine) -> dict[str, tuple[str, str]]:
        """The facts that differ, by name: here and there. Of features and packages only the differing ones."""
        mine, theirs = self._flat(), other._flat()
        names = [name for name in (*mine, *theirs) if mine.get(name, "none") != theirs.get(name, "none")]
        return {name: (mine.get(name, "none"), theirs.get(name, "none")) for name in dict.fromkeys(names)}

    def _flat(self) -> dict[str, str]:
        whole = self.model_dump(exclude={"features", "caches", "packages"})
        return {
            **{name: str(value).lower() if value is None else str(value) for name, value in whole.items()},
            **dict.fromkeys(self.features, "yes"),
            **{f"{level} cache": size for level, size in self.caches.items()},
            **self.packages,
        }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model of the processor with its family and number, as clouds leave the number out of the name."""
    found: dict[str, str] = {}
    for line in cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    numbers = [f"{word} {found[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in found]
    return ", ".join([found.get("model name", platform.processor()), *numbers])


def read_caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, str]:
    """Sizes of the first core's caches for data by level, as Linux lists them."""
    found = {}
    for index in sorted(size.parent for size in folder.glob("index*/size")):
        kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _gpu() -> str | None:
    """The GPU that this process has used; torch is not imported for it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _file(label: str) -> Path:
    return paths.PROVENANCE / f"{label}.json"
