from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cytopipe.core.pipeline.engine import Engine, engine_of, pipeline_pass

STAGE = """
import subprocess, sys, time
from pathlib import Path
from cytopipe.core.pipeline.engine import die_with, engine

found = engine()
die_with(found)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path("stage.tmp").write_text(f"{found.name} {found.pid} {worker.pid}")
Path("stage.tmp").rename("stage.txt")
time.sleep(60)
"""

ENGINE = """
import subprocess, sys
subprocess.call(["sh", "-c", f"{sys.executable} stage.py; true"])
"""


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/env/bin/python3", "/env/bin/dvc", "repro"], "dvc"),
        (["/env/bin/python3.11", "-u", "-X", "dev", "/env/bin/snakemake", "--cores", "2"], "snakemake"),
        (["python", "-m", "snakemake", "--cores", "2"], "snakemake"),
        (["python", "-Im", "dvc.cli", "repro"], "dvc"),
        (["/usr/bin/dvc", "repro"], "dvc"),
        (["python", "/home/me/dvc/stages/train.py"], None),
        (["python", "stages/train.py", "dvc"], None),
        (["python", "-c", "dvc"], None),
        (["python", "-W", "dvc", "train.py"], None),
        (["sh", "-c", "dvc repro"], None),
        (["vim", "dvc"], None),
        (["python", "dvc_helper.py"], None),
        (["python"], None),
        ([], None),
    ],
)
def test_an_engine_is_a_program_script_or_module_and_not_a_word(command: list[str], name: str | None) -> None:
    assert engine_of(command) == name


def test_all_stages_of_a_pass_share_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYTOPIPE_PASS", raising=False)
    assert pipeline_pass(Engine("dvc", 12, 86400.5)) == "dvc-19700102T000000Z-12"
    assert pipeline_pass(Engine("script", None, 0.0)) == "script-19700101T000000Z"
    monkeypatch.setenv("CYTOPIPE_PASS", "nightly")
    assert pipeline_pass(Engine("dvc", 12, 86400.5)) == "nightly"


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("victim", ["engine", "shell"])
def test_a_stage_and_its_workers_die_with_their_engine(tmp_path: Path, victim: str) -> None:
    script = tmp_path / "bin" / "dvc"
    script.parent.mkdir()
    script.write_text(ENGINE)
    (tmp_path / "stage.py").write_text(STAGE)
    with subprocess.Popen([sys.executable, str(script), "repro"], cwd=tmp_path) as top:
        told = tmp_path / "stage.txt"
        assert _until(told.exists, 20)
        name, pid, worker = told.read_text().split()
        shell = psutil.Process(top.pid).children()[0]
        family = [psutil.Process(int(worker)), psutil.Process(int(worker)).parent()]
        stage = family[1]
        assert stage is not None and shell.pid != stage.pid
        assert (name, int(pid)) == ("dvc", top.pid)
        try:
            time.sleep(0.5)
            assert not any(_gone(process) for process in family if process)
            # Not reaped before the check: a zombie engine is dead, too.
            os.kill(top.pid if victim == "engine" else shell.pid, signal.SIGKILL)
            assert _until(lambda: all(_gone(process) for process in family if process), 2)
        finally:
            for process in [*family, shell, psutil.Process(top.pid)]:
                if process and process.is_running():
                    process.kill()
