"""A project that two machines share by S3, experiments in a queue, DVC's cache of runs: stages of a small dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_projects import Project
from s3_store import BUCKET, CREDENTIALS, ObjectStore, Shared, object_store
from small_projects import cells, small, template

pytestmark = pytest.mark.pipeline
SEED = "datasets.mine.split.seed"
TRACKED = {"enabled": True, "experiment": "cells"}


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return template(tmp_path_factory.mktemp("template") / "project")


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    pytest.importorskip("moto", reason="moto is not installed: pip install -e .[dev,remote]")
    pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed: pip install -e .[remote]")
    with object_store() as started:
        yield started


def test_another_machine_goes_on_with_what_was_pushed(committed: Project, store: ObjectStore, tmp_path: Path) -> None:
    first = Shared(small(committed, tmp_path / "first/project").folder, CREDENTIALS)
    first.run("dvc", "remote", "add", "--default", "store", f"s3://{BUCKET}/dvc")
    first.run("dvc", "remote", "modify", "store", "endpointurl", store.url)
    assert first.dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]
    first.run("dvc", "push")
    first.commit()
    made = first.sums()
    assert store.names("dvc/") and not [name for name in store.names() if str(tmp_path) in name]

    second = Shared(tmp_path / "second/clone", CREDENTIALS)
    second.folder.parent.mkdir()
    first.run("git", "clone", "--quiet", str(first.folder), str(second.folder))
    shutil.rmtree(tmp_path / "first")  # project, cache, and the images that the parameters name
    second.run("dvc", "pull", "organize@mine", "--with-deps")
    assert second.sums() == made
    assert second.dvc("repro", "--allow-missing", "organize@mine") == []
    assert second.run("git", "status", "--porcelain") == ""

    # A third may leave out what it does not need to run anything.
    third = Shared(tmp_path / "third", CREDENTIALS)
    second.run("git", "clone", "--quiet", str(second.folder), str(third.folder))
    assert third.dvc("repro", "--allow-missing", "--pull", "organize@mine") == []
    assert not (third.folder / "data/raw/mine").exists()

    # A change reruns what depends on it, and nothing that would need the images' source.
    second.edit_params(SEED, 7)
    assert second.dvc("repro", "--allow-missing", "organize@mine") == ["organize@mine"]
    assert second.sums() != made
    second.edit_params(SEED, 0)
    assert second.dvc("repro", "--allow-missing", "organize@mine") == ["organize@mine"]
    assert second.sums() == made  # computed here, with the bytes of the first machine


def test_a_split_that_is_set_back_comes_from_the_cache_and_the_next_stage_takes_it(
    committed: Project, tmp_path: Path
) -> None:
    project = small(committed, tmp_path / "project")
    project.run("dvc", "repro", "organize@mine")
    project.edit_params(SEED, 7)
    project.run("dvc", "repro", "organize@mine")
    project.edit_params(SEED, 0)
    assert "'organize@mine' is cached - skipping run" in project.run("dvc", "repro", "organize@mine")
    assert project.dvc("repro", "train_segmenter@threshold") == ["train_segmenter@threshold"]


def test_a_grid_of_experiments_waits_in_the_queue(committed: Project, tmp_path: Path) -> None:
    images = str(cells(tmp_path / "cells"))
    project = small(committed, tmp_path / "project", images, tracking=TRACKED)
    project.run("dvc", "repro", "organize@mine")
    project.commit()
    before = project.sums()
    said = project.run("dvc", "exp", "run", "--queue", "-S", f"{SEED}=1,2", "organize@mine")
    assert said.count("Queued experiment") == 2
    project.run("dvc", "exp", "run", "--run-all", "--jobs", "1")
    project.run("dvc", "exp", "run", "--temp", "-S", f"{SEED}=3", "--name", "third", "organize@mine")
    assert seeds(project) == [1, 2, 3]
    assert project.sums() == before  # the workspace stays as it was
    # Each has its run in MLflow, as if it had run here.
    project.run("cytopipe", "sync")
    assert runs(project) == ["organize@mine"] * 4


def seeds(project: Project) -> list[int]:
    """The seeds of all finished experiments on the last commit."""
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    states = [one["revs"][-1] for rev in shown for one in rev["experiments"] or ()]
    assert not [one["error"] for one in states if one.get("error")]
    found = [one["data"]["params"]["params.yaml"]["data"]["datasets"]["mine"]["split"]["seed"] for one in states]
    return sorted(found)


def runs(project: Project) -> list[str]:
    """Names of MLflow's runs of `organize`."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("cells")
    assert experiment
    found = client.search_runs([experiment.experiment_id], "tags.stage = 'organize'")
    return [run.info.run_name for run in found]
