"""Copies of the projects that the engines finished, to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_projects import Finished, Project, finished

__all__ = ["Finished", "Project", "finished"]


@pytest.fixture
def dvc_copy(finished: Finished, tmp_path: Path) -> Project:
    """A copy of the project that DVC finished, to change."""
    return finished.dvc.copy(tmp_path / "project")


@pytest.fixture
def snakemake_copy(finished: Finished, tmp_path: Path) -> Project:
    """A copy of the project that Snakemake finished, to change."""
    return finished.snakemake.copy(tmp_path / "by_snakemake")
