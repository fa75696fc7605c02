"""A table with sites and ages, and one site left out, through every stage from the images to the subgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.data.manifest import read_manifest
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.predictions import Predictions
from cytopipe.results.subgroups import Subgroups
from files_of_people import names, table, tree
from small_projects import parameters, small, stage, template

pytestmark = pytest.mark.timeout(900)
COUNT = 48
STAGES = (
    ("download", "mine"),
    ("organize", "mine"),
    ("train_segmenter", "threshold"),
    ("generate_masks", "mine"),
    ("build_tensors", "mine"),
    ("train_classifier", "c"),
    ("evaluate", "c"),
)


def people(folder: Path) -> Path:
    """48 images of 24 patients from three sites: each patient has one image of either class."""
    files = names({"images": COUNT})
    tree(folder, files)
    rows = [("image", "label", "patient", "site", "age")]
    for number, name in enumerate(files):
        patient = number // 2
        label = ("normal", "abnormal")[number % 2]
        rows.append((Path(name).name, label, f"P{patient:02}", "ABC"[patient % 3], str(40 + patient)))
    table(folder / "labels.csv", rows)
    return folder


def test_a_site_is_left_out_from_the_table_to_the_subgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = people(tmp_path / "cells")
    project = small(template(tmp_path / "template"), tmp_path / "project", str(source))
    file = project.folder / "params.yaml"
    assert file.read_text() == parameters(str(source))
    project.edit_params(
        "datasets.mine.options",
        {
            "csv": "labels.csv",
            "images": "images",
            "group": "patient",
            "normal": ["normal"],
            "attributes": ["site", "age"],
            "attribute_bins": {"age": [50]},
        },
    )
    project.edit_params(
        "datasets.mine.split",
        {
            "kind": "leave_out",
            "leave_out": {"attribute": "site", "values": ["B"]},
            "val": 0.25,
            "test": 0.2,
            "seed": 0,
        },
    )
    project.edit_params("classifiers.c.patients", {"rule": "max"})
    for name, item in STAGES:
        done = stage(project, name, item)
        assert done.returncode == 0, f"{name}: {done.stderr}"

    monkeypatch.chdir(project.folder)
    tensors = paths.Tensors("mine")
    rows = read_manifest(tensors.manifest)
    assert {row.attributes["site"] for row in rows if row.split == "test"} == {"B"}
    assert "B" not in {row.attributes["site"] for row in rows if row.split != "test"}
    left_out = DatasetSummary.read(paths.Organized("mine").summary).left_out
    assert left_out is not None and left_out.tested == ("B",)
    results = paths.classifier("c")
    tested = {row.id for row in rows if row.split == "test"}
    assert set(Predictions.read(results.predictions).ids) == tested
    found = Subgroups.read(results.clinical / "subgroups.json")
    assert {(one.attribute, one.value) for one in found.subgroups} >= {("age", "under 50"), ("age", "50 and over")}
    assert sum(one.images for one in found.subgroups if one.attribute == "age") == len(tested) == 16
    details = ClassifierDetails.read(results.details)
    assert details.groups == 8
