from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workflow.next_steps import verdict


def test_a_run_outside_of_git_ends_with_a_line_and_no_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert verdict() == "verify: nothing to compare: not a project of git"
