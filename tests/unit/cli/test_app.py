from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Cytopipe = Callable[..., Result]
COMMANDS = ("preset", "models", "datasets", "results", "gate")

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


def test_commands_without_a_network_do_not_import_torch(project: Path, leave_results: Callable[..., Path]) -> None:
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
