from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from committed_project import Project
from cytopipe.cli import app
from cytopipe.core.pipeline.machine import Machine


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project as the current folder."""
    monkeypatch.chdir(project.root)
    return project


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def test_the_verdict_is_one_line_and_the_exit_status(here: Project) -> None:
    result = verify()
    assert (result.exit_code, result.stdout) == (0, "verify: bit-identical to HEAD: 4 outputs of 3 stages\n")
    here.write("models/net", "other")
    result = verify("main", "--verbose")
    assert result.exit_code == 1
    *table, _, line = result.stdout.splitlines()
    assert ["train", "1/2", "differs", "models/net"] in [
        [cell.strip() for cell in row[1:-1].split("|")] for row in table
    ]
    assert line.startswith("verify: departs from main: first other bytes at train (models/net)")
    assert json.loads(verify("--json").stdout)["first"]["stage"] == "train"


def test_what_lies_here_is_stored_and_compared(here: Project, machine: Machine, tmp_path: Path) -> None:
    here.leave(machine)
    file = tmp_path / "record.json"
    result = verify("--write", file)
    assert (result.exit_code, result.stdout) == (0, f"{file}: 4 outputs of 3 stages\n")
    assert verify("--record", file).exit_code == 0


def test_errors_are_messages(here: Project, tmp_path: Path) -> None:
    for arguments, words in (
        (("none",), "git knows no revision 'none'"),
        (("--record", tmp_path / "none.json"), "this result is missing"),
        (("--write", tmp_path / "record.json", "--json"), "--write compares nothing"),
    ):
        result = verify(*arguments)
        assert result.exit_code == 1
        assert words in result.stderr
