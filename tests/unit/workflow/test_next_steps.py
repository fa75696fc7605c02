from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow.next_steps import failed, verdict

from cytopipe import paths
from cytopipe.core.pipeline.last_runs import note_failed, note_finished


def test_a_run_outside_of_git_ends_with_a_line_and_no_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert verdict() == "verify: nothing to compare: not a project of git"


def test_a_pass_that_failed_ends_with_what_failed_and_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "before a stage could say why" in failed()
    paths.STATE.mkdir()
    paths.LOGS.mkdir()
    note_finished("compare", 3.0, 1)
    note_failed("train_classifier@a")
    (paths.LOGS / "train_classifier@a.log").write_text("epoch 1: x\nerror in train_classifier@a: full\n  -> hint\n")
    text = failed()
    assert "  train_classifier@a: error in train_classifier@a: full\n    log: logs/train_classifier@a.log" in text
    assert "compare" not in text and "resume by\nthe same command" in text
