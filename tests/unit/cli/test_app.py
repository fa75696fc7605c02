from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.cli import app
from fixture_types import Cytopipe, LeaveResults

COMMANDS = tuple(str(command.name) for command in app.registered_commands)

LIGHT = """
import sys
from typer.testing import CliRunner
from cytopipe.cli import app

for line in ("--help", "preset", "gate --update", "gate", "preset tiny --force", "datasets", "results"):
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 0, (line, result.output)
    heavy = {"torch", "timm", "mlflow", "sklearn", "scipy"} & set(sys.modules)
    assert not heavy, (line, heavy)
"""


def test_commands_without_a_network_do_not_import_torch(project: Path, leave_results: LeaveResults) -> None:
    (project / "params.yaml").unlink()
    leave_results(project, [4] * 10)
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_a_command_the_commands_are_listed(cytopipe: Cytopipe) -> None:
    text = cytopipe().output
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_an_example(cytopipe: Cytopipe, name: str) -> None:
    result = cytopipe(name, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    cytopipe {name}" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_tells_its_exit_statuses(cytopipe: Cytopipe, name: str) -> None:
    assert "Exit status: 0 done; 1 an error, wrong usage or a failed gate; 2 " in " ".join(
        cytopipe(name, "--help").stdout.split()
    )


@pytest.mark.parametrize("line", ["", "gat", "gate --none", "gate --tolerance much", "preset a b"])
def test_wrong_usage_leaves_with_status_1(cytopipe: Cytopipe, line: str) -> None:
    result = cytopipe(*line.split())
    assert result.exit_code == 1
    assert result.stdout == "" and "Usage: " in result.stderr


COMPLETE = """
source <(cytopipe --show-completion)
COMP_WORDS=({words} "{last}") COMP_CWORD={place}
_cytopipe_completion cytopipe
printf '%s\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [
        ("cytopipe", "", {"preset", "models", "gate"}),
        ("cytopipe", "mod", {"models"}),
        ("cytopipe preset", "herl", {"herlev", "herlev-regions"}),
        ("cytopipe gate", "--r", {"--rev"}),
    ],
)
def test_bash_completes_commands_presets_and_options(project: Path, words: str, last: str, expected: set[str]) -> None:
    (project / "bash").write_text(COMPLETE.format(words=words, last=last, place=len(words.split())))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "bash"], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )
    found = set(done.stdout.split())
    assert found == expected if last else found > expected, done


def test_outside_a_project_no_preset_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cytopipe.cli.preset import complete

    monkeypatch.chdir(tmp_path)
    assert complete("") == []
