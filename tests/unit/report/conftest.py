from __future__ import annotations

import os
from pathlib import Path

import pytest

from cytopipe.core.params import load_params
from cytopipe.report.build import Report, build_report
from cytopipe.report.read import Results, read_results


@pytest.fixture
def here(finished_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project as the working folder."""
    monkeypatch.chdir(finished_project)
    return finished_project


@pytest.fixture
def results(here: Path) -> Results:
    """All results of the finished project."""
    return read_results(load_params(here / "params.yaml"))


@pytest.fixture(scope="session")
def report(finished_project: Path) -> Report:
    """The report of the finished project."""
    before = Path.cwd()
    os.chdir(finished_project)
    try:
        return build_report(load_params(Path("params.yaml")))
    finally:
        os.chdir(before)
