"""Locks of a killed pass go; those of a pass that runs stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workflow import killed_pass
from workflow.killed_pass import DVC, SNAKEMAKE, clear_dvc_locks, clear_locks

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


LIVING, DEAD = {"pid": os.getpid(), "cmd": "dvc repro"}, {"pid": 2**22 + 1, "cmd": "dvc repro"}  # above any process id


@pytest.mark.parametrize(
    ("left", "stale"),
    [
        ("", True),
        ('{"write": {', True),
        ('{"write": {}, "read": {}}', False),
        (json.dumps({"write": {"a": DEAD}, "read": {"b": [DEAD]}}), True),
        (json.dumps({"write": {}, "read": {"b": [DEAD, LIVING]}}), False),
    ],
)
def test_dvcs_table_of_locks_is_removed_if_it_was_cut_off_or_nobody_of_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str, stale: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(killed_pass, "SETTLED_S", 0)
    monkeypatch.setattr(killed_pass, "_is_dvc", lambda pid: pid == os.getpid())
    assert not clear_dvc_locks()
    DVC.parent.mkdir(parents=True)
    DVC.write_text(left)
    assert clear_dvc_locks() is stale
    assert DVC.exists() is not stale
