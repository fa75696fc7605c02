"""`cytopipe dossier` on a finished project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe.cli import dossier as cli_dossier
from cytopipe.dossier import pdf
from fixture_types import Cytopipe


@pytest.fixture
def copy(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project as the working folder, on a machine without Chromium."""
    folder = Path(shutil.copytree(finished_project, tmp_path / "copy"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    return folder


def test_it_writes_a_page_and_the_open_questions(copy: Path, cytopipe: Cytopipe) -> None:
    done = cytopipe("dossier")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (copy / cli_dossier.FOLDER).iterdir()) == ["dossier.html", "questions.yaml"]
    assert "CLAIM 2024: " in done.stdout and "not reported" in done.stdout
    assert "no PDF: Chromium is not installed" in done.stderr


def test_the_pages_of_two_runs_are_equal_and_one_classifier_can_be_chosen(copy: Path, cytopipe: Cytopipe) -> None:
    for folder in ("one", "two"):
        assert cytopipe("dossier", "--out", folder, "--classifier", "first").exit_code == 0
    one = (copy / "one/dossier.html").read_bytes()
    assert one == (copy / "two/dossier.html").read_bytes()
    assert b"<title>cytopipe dossier: first</title>" in one


def test_faults_are_told_in_words(copy: Path, cytopipe: Cytopipe) -> None:
    (copy / "dossier.yaml").write_text("claim-4x: text\n")
    done = cytopipe("dossier")
    assert done.exit_code == 1 and "did you mean 'claim-4" in done.stderr
    (copy / "dossier.yaml").unlink()
    assert "no classifier 'nobody'" in cytopipe("dossier", "--classifier", "nobody").stderr
    (copy / "results/leaderboard.json").unlink()
    assert "results/leaderboard.json: this result is missing" in cytopipe("dossier").stderr
