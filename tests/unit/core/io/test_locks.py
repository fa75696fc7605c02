from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cytopipe.core.io.locks import StageLock
from cytopipe.errors import CytopipeError

HOLD = """
import sys, time
from pathlib import Path
from cytopipe.core.io.locks import StageLock
with StageLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(lock: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(lock), str(seconds)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_held_lock_is_refused_with_the_holders_pid_and_command(tmp_path: Path) -> None:
    holder = hold(tmp_path / "locks" / "train", 60)
    try:
        with pytest.raises(CytopipeError) as caught, StageLock(tmp_path / "locks" / "train", wait=0.2):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert f"in use by process {holder.pid} (" in str(caught.value)
    assert str(tmp_path / "locks" / "train") in str(caught.value)
    assert "StageLock(Path(sys.argv[1]))" in caught.value.what


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock", 60)
    holder.kill()
    holder.communicate()
    with StageLock(tmp_path / "lock", wait=0):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_lock_waits_for_a_holder_that_ends(tmp_path: Path) -> None:
    holder = hold(tmp_path / "lock", 0.5)
    start = time.monotonic()
    with StageLock(tmp_path / "lock", wait=30):
        waited = time.monotonic() - start
    holder.communicate()
    assert 0.2 < waited < 20


def test_a_released_lock_is_free_also_while_a_forked_child_lives(tmp_path: Path) -> None:
    with StageLock(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        with StageLock(tmp_path / "lock", wait=0):
            pass
        assert (tmp_path / "lock").read_text() == ""
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
