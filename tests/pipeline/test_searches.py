"""A search, a network made of what it found, and an encoder's features: the same bytes by both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.search import SearchResult
from engine_projects import Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
STAGES = {"search@rates", "train_classifier@found", "evaluate@found", "embed@tiny-plain"}
WRITTEN = (
    *("results/searches/rates/", "models/classifiers/found/"),
    *("results/classifiers/found/", "results/embeddings/tiny-plain/"),
)


def add_search(project: Project) -> None:
    """Add a search of two trials, a network that takes what it found, and an untrained encoder."""
    file = project.folder / "params.yaml"
    values: dict[str, Any] = yaml.safe_load(file.read_text())
    values["searches"] = {
        "rates": {
            "base": "classifiers.resnet-rgb",
            "data": "data/tensors/tiny",
            "pretrained": "workflow/weights/none",
            "trials": 2,
            "folds": {"inner": 2},
            "halving": None,
            "space": {
                "architecture": {"choice": ["plain_cnn"]},
                "arguments.width": {"choice": [4, 8]},
                "training.learning_rate": {"log": [0.0001, 0.01]},
            },
        }
    }
    best = "results/searches/rates/best.yaml"
    values["classifiers"]["found"] = {"dataset": "tiny", "from_search": "rates", "pretrained": best}
    values["embeddings"] = {
        "tiny-plain": {
            "dataset": "tiny",
            "architecture": "timm/test_resnet",
            "pretrained": "workflow/weights/none",
            "probes": ["linear"],
        }
    }
    file.write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.mark.xdist_group("dvc")
def test_both_engines_search_and_train_what_was_found(dvc_copy: Project, snakemake_copy: Project) -> None:
    for project in (dvc_copy, snakemake_copy):
        add_search(project)
    assert set(dvc_copy.dvc("repro", *sorted(STAGES))) == STAGES
    snakemake_copy.run("snakemake", "--cores", "1", *sorted(STAGES))
    found, other = (one.sums() for one in (dvc_copy, snakemake_copy))
    assert all(any(name.startswith(folder) for name in found) for folder in WRITTEN)
    assert found == other
    assert dvc_copy.dvc("repro", *sorted(STAGES)) == []
    check(dvc_copy.folder)


def check(folder: Path) -> None:
    """The network has the parameters that the search found."""
    result = SearchResult.read(folder / "results/searches/rates/search.json")
    assert (result.trials, result.completed) == (2, 2)
    spec = ModelSpec.read(folder / "models/classifiers/found/model.json")
    assert spec.architecture == "plain_cnn"
    assert spec.arguments["width"] == result.found["arguments.width"]
