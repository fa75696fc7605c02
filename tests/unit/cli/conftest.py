"""A project in a git repository of its own, and the command in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cytopipe.cli import app

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: dvc.yaml, the presets and a params.yaml, the demo's; nothing is committed."""
    root = tmp_path / "project"
    shutil.copytree(REPOSITORY / "workflow/presets", root / "workflow/presets")
    shutil.copy(REPOSITORY / "workflow/presets/demo.yaml", root / "params.yaml")
    (root / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(root)
    for name in [name for name in os.environ if name.startswith("GIT_")]:  # of a hook that runs these tests
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return root


@pytest.fixture
def git(project: Path) -> Callable[..., None]:
    """Run git in the project, which is a repository now."""

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    run("init")
    return run


@pytest.fixture
def cytopipe() -> Callable[..., Result]:
    """Run the command with these arguments."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
