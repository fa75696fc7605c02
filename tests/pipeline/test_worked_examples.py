"""The dataset and the model of docs/architecture.md, added to a copy of the project, through every stage of tiny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from documented_files import CLASSIFIER, DATASET, MODEL, TABLE, WRITER, add_files, documented_files
from engine_projects import fresh

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]


def test_they_run_through_every_stage(root: Path, tmp_path: Path) -> None:
    project = fresh(tmp_path / "project")
    add_files(root, project.folder, *DATASET, WRITER, TABLE, MODEL)
    project.run("cytopipe", "preset", "yeast", "--phantoms", "--force")
    yeast = yaml.safe_load((project.folder / "params.yaml").read_text())
    small = yaml.safe_load(documented_files(root)[CLASSIFIER])["small"] | {"dataset": "yeast"}
    tiny = yaml.safe_load((project.folder / "workflow/presets/tiny.yaml").read_text())
    replaced = {name: yeast[name] for name in ("datasets", "segmenters", "screenings")}
    params = tiny | replaced | {"classifiers": {**yeast["classifiers"], "small": small}}
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    ran = project.dvc("repro")
    assert {"download@yeast", "audit@yeast", "train_classifier@small", "explain@small", "compare", "report"} <= set(ran)
    board = json.loads((project.folder / "results/leaderboard.json").read_text())
    assert "small" in json.dumps(board)
    assert "small_cnn" in (project.folder / "results/cards/models/small.md").read_text()
