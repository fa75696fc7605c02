from __future__ import annotations

from typing import Any

import pytest

from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.processor import X86_64_V3
from cytopipe.verify.promise import broken_promise

NEWER = {"packages": {"numpy": "2.5", "torch": "2.14"}}
ARM: dict[str, Any] = {"architecture": "aarch64", "features": ("asimd",)}
GPU = {"gpu": "a GPU, CUDA 13"}
PORTABLE = {"cpu": "portable"}


@pytest.mark.parametrize(
    ("both", "here", "words"),
    [
        (PORTABLE, {"features": tuple(X86_64_V3), "processor": "Two", "libc": "glibc 2.31", "cores": 64}, ""),
        (PORTABLE, {"python": "3.11.9"}, ""),
        (PORTABLE, {"python": "3.12.2"}, "another Python"),
        (PORTABLE, {"features": ("sse4_2",)}, "not x86-64 with AVX2"),
        (PORTABLE, ARM, "not x86-64 with AVX2"),
        (PORTABLE, {"threads": 4}, "other threads than the record"),
        (PORTABLE, NEWER, "other numpy than the record"),
        (PORTABLE, {"cpu": "native"}, "runtime.cpu is native and the machine another one"),
        (PORTABLE | GPU, {}, ""),
        (PORTABLE | GPU, {"caches": {"L1": "48K"}}, "a GPU was used"),
        (PORTABLE, GPU, "other gpu than the record"),
        ({}, {}, ""),
        ({}, {"processor": "the same by another name", "cores": 64}, ""),
        ({}, {"features": tuple(X86_64_V3)}, "runtime.cpu is native and the machine another one"),
        ({}, {"caches": {"L1": "48K"}}, "runtime.cpu is native and the machine another one"),
        ({}, NEWER, "other numpy than the record"),
    ],
)
def test_the_same_bytes_are_promised_where_all_that_counts_is_the_same(
    machine: Machine, both: dict[str, Any], here: dict[str, Any], words: str
) -> None:
    there = machine.model_copy(update=both)
    found = broken_promise(there.model_copy(update=here), there)
    assert words in found and bool(words) == bool(found)


def test_a_record_without_its_machine_binds_portable_processors_alone(machine: Machine, older: Machine) -> None:
    assert "does not name its machine" in broken_promise(machine, None)
    assert broken_promise(older.model_copy(update=PORTABLE), None) == ""
    assert "AVX2" in broken_promise(machine.model_copy(update=PORTABLE | ARM), None)
