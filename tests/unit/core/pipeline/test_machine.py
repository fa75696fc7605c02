from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import Params, load_params
from cytopipe.core.pipeline.machine import INSTRUCTION_SETS, Machine, read_caches, read_name, versions
from cytopipe.core.pipeline.processor import features

CPUINFO = "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: Some CPU\nflags\t\t: fpu avx2\n\nmodel name\t: Another\n"


@pytest.fixture
def params(root: Path) -> Params:
    return load_params(root / "workflow/presets/tiny.yaml")


def test_the_name_holds_the_numbers_that_tell_processors_apart(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert read_name(tmp_path / "cpuinfo") == "Some CPU, family 25, model 17"


def test_caches_of_instructions_do_not_count(tmp_path: Path) -> None:
    for index, (kind, level, size) in enumerate((("Data", 1, "32K"), ("Instruction", 1, "64K"), ("Unified", 2, "1M"))):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in (("type", kind), ("level", level), ("size", size)):
            (folder / name).write_text(f"{value}\n")
    (tmp_path / "index3").mkdir()  # some virtual machines do not tell the size
    assert read_caches(tmp_path) == {"L1": "32K", "L2": "1M"}
    assert read_caches(tmp_path / "none") == {}


def test_packages_that_are_not_installed_have_no_version() -> None:
    assert list(versions(("numpy", "not-a-package"))) == ["numpy"]


def test_the_facts_are_those_of_this_machine_and_these_parameters(params: Params) -> None:
    machine = Machine.here(params)
    assert (machine.cpu, machine.threads) == (params.runtime.cpu, params.runtime.num_threads)
    assert set(machine.features) == INSTRUCTION_SETS & set(features())
    assert {"numpy", "torch", "opencv-python-headless"} <= set(machine.packages)


def test_facts_are_left_for_each_stage(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    machine = Machine.here(params)
    assert Machine.of_stage("audit@cells") is None
    machine.leave("audit@cells")
    assert Machine.of_stage("audit@cells") == machine
    (paths.PROVENANCE / "audit@cells.json").write_text('{"host": "of an older version"}')
    assert Machine.of_stage("audit@cells") is None


def test_only_facts_that_differ_are_listed(params: Params) -> None:
    one = Machine.here(params).model_copy(
        update={"features": ("avx", "avx2"), "caches": {"L1": "32K"}, "packages": {"a": "1"}}
    )
    other = one.model_copy(
        update={
            "features": ("avx", "avx512f"),
            "caches": {"L1": "48K"},
            "packages": {"a": "2", "b": "1"},
            "threads": 9,
        }
    )
    assert one.differences(one) == {}
    assert one.differences(other) == {
        "threads": (str(one.threads), "9"),
        "avx2": ("yes", "none"),
        "L1 cache": ("32K", "48K"),
        "a": ("1", "2"),
        "avx512f": ("none", "yes"),
        "b": ("none", "1"),
    }
