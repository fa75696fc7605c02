from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cytopipe.core.io import flock
from cytopipe.core.pipeline.devices import VISIBLE, listed_gpus, own_gpus, visible_gpus
from cytopipe.errors import CytopipeError

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc)
  MIG 3g.20gb     Device  1: (UUID: MIG-dddd)
"""
JOB = """
import os, sys, time
from pathlib import Path
from cytopipe.core.pipeline.devices import own_gpus

with own_gpus(Path("locks"), sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 1):
    Path(f"got-{sys.argv[1]}").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    while not Path(f"end-{sys.argv[1]}").exists():
        time.sleep(0.01)
"""


def test_a_divided_gpu_is_its_slices() -> None:
    assert listed_gpus(LISTING) == ["GPU-aaaa", "MIG-cccc", "MIG-dddd"]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("0,2", ["0", "2"]),
        ("GPU-aaaa, MIG-cccc", ["GPU-aaaa", "MIG-cccc"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,-1,2", ["1"]),
    ],
)
def test_what_the_user_or_the_scheduler_made_visible_is_taken(value: str, names: list[str]) -> None:
    assert visible_gpus({VISIBLE: value, "PATH": os.environ["PATH"]}) == names


def test_the_driver_lists_them_where_nobody_chose(tmp_path: Path) -> None:
    assert visible_gpus({"PATH": str(tmp_path)}) == []
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")  # the driver fails
    program.chmod(0o755)
    assert visible_gpus({"PATH": str(tmp_path)}) == []
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in LISTING.splitlines()))
    assert visible_gpus({"PATH": str(tmp_path)}) == ["GPU-aaaa", "MIG-cccc", "MIG-dddd"]


def test_without_a_gpu_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")
    with own_gpus(tmp_path / "locks", "stage"):
        assert os.environ[VISIBLE] == ""
    assert not (tmp_path / "locks").exists()


def until(done: Path) -> str:
    """The content of a file, once it is there and not empty."""
    while not (done.exists() and done.read_text()):
        time.sleep(0.01)
    return done.read_text()


def test_four_stages_take_four_gpus_and_the_fifth_waits(tmp_path: Path) -> None:
    environment = {**os.environ, VISIBLE: "0,1,2,3"}
    jobs = {
        name: subprocess.Popen([sys.executable, "-c", JOB, name], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
        for name in "abcd"
    }
    held = {name: until(tmp_path / f"got-{name}") for name in jobs}
    assert sorted(held.values()) == ["0", "1", "2", "3"]
    fifth = subprocess.Popen([sys.executable, "-c", JOB, "e"], cwd=tmp_path, env=environment)
    time.sleep(1)  # it could take one now, but none is free
    assert not (tmp_path / "got-e").exists()
    jobs["a"].kill()  # the system drops the lock of a process that dies
    assert until(tmp_path / "got-e") == held["a"]
    for name in "bcde":
        (tmp_path / f"end-{name}").touch()
    assert [job.wait() for job in (*list(jobs.values())[1:], fifth)] == [0] * 4


def test_a_stage_that_wants_several_gpus_waits_for_all_and_is_not_overtaken(tmp_path: Path) -> None:
    def start(name: str, count: int = 1) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", JOB, name, str(count)]
        return subprocess.Popen(command, cwd=tmp_path, env={**os.environ, VISIBLE: "0,1,2"}, stderr=subprocess.PIPE)

    def end(name: str, process: subprocess.Popen[bytes]) -> None:
        (tmp_path / f"end-{name}").touch()
        assert process.wait() == 0

    pair = start("pair", 2)
    assert until(tmp_path / "got-pair") == "0,1"
    one = start("one")
    assert until(tmp_path / "got-one") == "2"
    all_three = start("all", 3)
    turn = list((tmp_path / "locks").glob("*-turn-*.lock"))
    while not turn or not locked(turn[0]):  # it waits
        time.sleep(0.01)
        turn = list((tmp_path / "locks").glob("*-turn-*.lock"))
    late = start("late")
    end("one", one)  # one is free, and neither takes it
    time.sleep(1)
    assert not (tmp_path / "got-all").exists() and not (tmp_path / "got-late").exists()
    end("pair", pair)
    assert until(tmp_path / "got-all") == "0,1,2"
    end("all", all_three)
    assert until(tmp_path / "got-late") == "0"
    end("late", late)


def locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            flock.lock(file, wait=False)
        except BlockingIOError:
            return True
        flock.unlock(file)
        return False


@pytest.mark.parametrize(
    ("visible", "message"),
    [
        ("0,1", "runtime.devices: 3 GPUs are wanted, and this process may use 2 (0, 1)"),
        ("MIG-a,MIG-b,MIG-c", "slices of divided GPUs (MIG) cannot train one network together"),
    ],
)
def test_what_cannot_train_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, message: str
) -> None:
    monkeypatch.setenv(VISIBLE, visible)
    with pytest.raises(CytopipeError, match=re.escape(message)), own_gpus(tmp_path, "stage", 3):
        pass
    with own_gpus(tmp_path, "stage"):  # one is there
        assert os.environ[VISIBLE] == visible.partition(",")[0]


def test_jobs_of_slurm_number_their_own_gpus_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with own_gpus(tmp_path, "first"):
        monkeypatch.setenv("SLURM_JOB_ID", "2")
        with own_gpus(tmp_path, "second"):  # would wait forever for the GPU 0 of the other job
            assert os.environ[VISIBLE] == "0"
