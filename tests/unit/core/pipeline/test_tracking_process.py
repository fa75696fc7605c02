"""Names of processes: they tell the living from the dead, also after the clock was set."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from cytopipe.core.pipeline.tracking.process import is_gone, this_process


def test_a_process_is_gone_when_it_ended_or_another_has_its_id() -> None:
    command = [sys.executable, "-c", "from cytopipe.core.pipeline.tracking.process import *; print(this_process())"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)
    own = this_process()
    assert not is_gone(own)
    assert is_gone(own + "1")
    assert not is_gone(f"another-host {os.getpid()} 1") and not is_gone("")


def test_a_clock_that_is_set_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    own, since = this_process(), psutil.boot_time()
    for seconds in (3600, -3600):  # by which the system moves the time of its start, too
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda seconds=seconds: since + seconds)
        assert abs(psutil.Process().create_time() - since) > 0
        assert not is_gone(own) and this_process() == own
