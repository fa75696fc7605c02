"""A project in a folder of its own, and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cytopipe.cli import app
from fixture_types import Cytopipe, Git

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with dvc.yaml, the presets, and params.yaml of the demo; it is not a git repository."""
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
def git(project: Path) -> Git:
    """Make the project a git repository; returns a function that runs git in it."""

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    run("init")
    return run


@pytest.fixture
def cytopipe() -> Cytopipe:
    """Run `cytopipe` with some arguments."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
