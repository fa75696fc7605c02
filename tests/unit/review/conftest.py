from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import Params, load_params
from made_review import make_review


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """A project to review, and its parameters; do not write into it."""
    folder, before = make_review(tmp_path_factory.mktemp("review")), Path.cwd()
    os.chdir(folder)
    try:
        return folder, load_params(paths.PARAMS)
    finally:
        os.chdir(before)


@pytest.fixture
def project(made: tuple[Path, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The parameters of a project to review; a copy of it is the working folder."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return made[1]
