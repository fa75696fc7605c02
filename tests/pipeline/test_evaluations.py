"""A model of the preset tiny on a dataset that it never saw: the same bytes by both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.results.external import ExternalClassifier, ExternalSegmenter
from cytopipe.results.headline import Headline
from engine_projects import Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
STAGES = {"evaluate_external@masks-there", "evaluate_external@unet-there"}
UPSTREAM = {"download@elsewhere", "organize@elsewhere"}


def add_evaluations(project: Project) -> None:
    """Add a dataset of other phantoms, and the evaluation of a classifier and of its segmenter on them."""
    file = project.folder / "params.yaml"
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    home = values["datasets"]["tiny"]
    values["datasets"]["elsewhere"] = {**home, "source": {**home["source"], "seed": 2}}
    values["evaluations"] = {
        "masks-there": {"classifier": "masks", "dataset": "elsewhere"},
        "unet-there": {"segmenter": "unet", "dataset": "elsewhere"},
    }
    file.write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.mark.xdist_group("dvc")
def test_both_engines_evaluate_elsewhere_and_write_the_same_bytes(dvc_copy: Project, snakemake_copy: Project) -> None:
    for project in (dvc_copy, snakemake_copy):
        add_evaluations(project)
    assert set(dvc_copy.dvc("repro", *sorted(STAGES))) == STAGES | UPSTREAM
    snakemake_copy.run("snakemake", "--cores", "1", *sorted(STAGES))
    found, other = (one.sums() for one in (dvc_copy, snakemake_copy))
    written = {name for name in found if name.startswith("results/external/")}
    assert found == other and len([name for name in written if name.endswith("details.json")]) == 2
    assert dvc_copy.dvc("repro", *sorted(STAGES)) == []
    results = dvc_copy.folder / "results/external"
    check(results / "masks-there", results / "unet-there")
    assert "masks-there" in dvc_copy.run("dvc", "metrics", "show")


def check(masks: Path, unet: Path) -> None:
    """The numbers there, the drops against home, and the columns of metrics.json."""
    classified = ExternalClassifier.read(masks / "details.json")
    assert (classified.model, classified.dataset, classified.trained_on) == ("masks", "elsewhere", ("tiny",))
    assert classified.images > 0 and classified.metrics["accuracy"].there.value is not None
    segmented = ExternalSegmenter.read(unet / "details.json")
    assert segmented.metrics["dice_cell"].drop.value is not None
    assert {"accuracy", "drop"} <= Headline.read(masks / "metrics.json").root.keys()
    assert {"dice", "drop"} <= Headline.read(unet / "metrics.json").root.keys()
