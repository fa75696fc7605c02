"""Whole slides as stages: the same bytes by both engines, and by a stage that was killed and went on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine_projects import Project
from made_slides import drawn, spread, write_aperio

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
STAGES = ("screen@left", "screen@right")


def add_slides(project: Project) -> None:
    """Add two slides of a cell here and there."""
    file = project.folder / "params.yaml"
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    values["slides"] = {}
    (project.folder / "slides").mkdir()
    for number, stage in enumerate(STAGES):
        name = stage.partition("@")[2]
        path = Path("slides") / f"{name}.svs"
        write_aperio(project.folder / path, drawn(400, 500, spread(400, 500, 12, seed=number, apart=90)))
        values["slides"][name] = {
            "path": path.as_posix(),
            "detector": "segmenters/unet",
            "classifier": "resnet-rgb",
            "mpp": 0.25,
            "tile": 256,
        }
    file.write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.mark.xdist_group("dvc")
def test_both_engines_screen_slides(dvc_copy: Project, snakemake_copy: Project) -> None:
    for project in (dvc_copy, snakemake_copy):
        add_slides(project)
    assert set(dvc_copy.dvc("repro", *STAGES)) == set(STAGES)
    snakemake_copy.run("snakemake", "--cores", "1", *STAGES)
    found, other = (one.sums() for one in (dvc_copy, snakemake_copy))
    assert sum(name.startswith("results/slides/") for name in found) == 4 * len(STAGES)
    assert found == other
    assert dvc_copy.dvc("repro", *STAGES) == []
    summary = json.loads((dvc_copy.folder / "results/slides/left/summary.json").read_text())
    assert (summary["tiles"], summary["mpp"], summary["planes"]) == (4, 0.25, 1)
