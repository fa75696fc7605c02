"""The log of a stage, and what is remembered of its last run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.pipeline.last_runs import LastRun, last_run, note_failed, note_finished
from cytopipe.core.pipeline.logfile import kept_log


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    return tmp_path


def test_what_is_said_is_kept_without_bars(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "logs").mkdir()
    (here / "logs/train@a.log").write_text("of before")
    with kept_log("train@a", "dvc"):
        print("one\ntwo", file=sys.stderr)
        sys.stderr.write("\r10%\r20%\rdone\n")
        assert sys.stderr.isatty() is False
    assert (here / "logs/train@a.log").read_text() == "one\ntwo\ndone\n"
    assert capsys.readouterr().err == "one\ntwo\n\r10%\r20%\rdone\n"


def test_snakemake_keeps_its_own_and_nothing_is_left_outside_a_project(here: Path) -> None:
    with kept_log("train@a", "snakemake"):
        print("x", file=sys.stderr)
    (here / "dvc.yaml").unlink()
    with kept_log("train@a", "script"):
        print("x", file=sys.stderr)
    assert not (here / "logs").exists()


def test_a_log_that_cannot_be_written_stops_nothing(here: Path) -> None:
    (here / "logs").write_text("a file")
    with kept_log("train@a", "dvc"):
        print("x", file=sys.stderr)


def test_a_failure_keeps_the_time_of_the_last_complete_run(here: Path) -> None:
    note_finished("a", 5.0, 2)
    assert last_run("a") == LastRun()  # no project yet
    paths.STATE.mkdir()
    note_finished("a", 5.0, 2)
    complete = last_run("a")
    assert complete[:2] == (5.0, False) and complete.threads == 2
    assert complete.cpu_seconds is not None and complete.cpu_seconds > 0
    note_failed("a")
    assert last_run("a") == complete._replace(failed=True)
    (paths.TIMES / "a.json").write_text("[")
    assert last_run("a") == LastRun()
