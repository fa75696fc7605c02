"""Snakemake's locks of a killed pass go; those of a pass that runs stay."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workflow import killed_pass
from workflow.killed_pass import SNAKEMAKE, clear_locks

RUN = "from workflow.killed_pass import clear_locks\nprint(clear_locks(), flush=True)\ninput()"
STALE = SNAKEMAKE / "0.output.lock"


def test_locks_stay_while_their_pass_lives_and_go_when_it_was_killed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'src'}")
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", RUN], text=True, **streams) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "True\n"
        STALE.parent.mkdir(parents=True)
        STALE.write_text("results/report.html\n")
        assert not clear_locks() and STALE.exists()
        other.send_signal(signal.SIGKILL)
    assert clear_locks() and not STALE.exists()
    killed_pass._held.pop().close()
