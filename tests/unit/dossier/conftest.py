from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe.dossier.build import FilledChecklist, fill
from cytopipe.dossier.project import Project
from cytopipe.results.model_spec import ModelSpec
from engine_projects import ROOT


def leave_more(folder: Path) -> None:
    """Add to a made project what a real run also leaves: a model's description, and the versions of its libraries."""
    spec = {
        "task": "classification", "architecture": "small", "arguments": {"width": 4}, "classes": ["a", "b"],
        "channels": "rgb", "input_size": 24, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
        "training_data_sha256": "0" * 64,
        "decision_rule": {
            "temperature": 1.5, "confidence_threshold": 0.75, "abnormal": ["b"],
            "thresholds": [{"specificity": 0.9, "score": 0.25}],
        },
    }  # fmt: skip
    ModelSpec.model_validate(spec).write(folder / "models/classifiers/first/model.json")
    shutil.copy(ROOT / "requirements.lock", folder)


@pytest.fixture(scope="session")
def reported(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project with what a dossier looks for; read-only."""
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("reported") / "project"))
    leave_more(folder)
    return folder


@pytest.fixture
def here(reported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project as the working folder."""
    monkeypatch.chdir(reported)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(reported.parent))
    return reported


@pytest.fixture
def filled(here: Path) -> list[FilledChecklist]:
    """Its checklists."""
    return fill(Project.read())
