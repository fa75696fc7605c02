"""The models that a finished project registers in MLflow, loaded by their registered names, as a user would."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cytopipe.core.pipeline.processor import features, is_portable, pins
from cytopipe.results.classifier import ClassifierDetails

if TYPE_CHECKING:
    from engine_projects import Finished, Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
both_engines = pytest.mark.parametrize(
    "engine",
    [
        pytest.param("dvc", marks=pytest.mark.xdist_group("dvc")),
        pytest.param("snakemake", marks=pytest.mark.xdist_group("snakemake")),
    ],
)

# Outside the project: nothing but the store is known, and the test images as files.
USE = """
import json, sys
from pathlib import Path
import mlflow, pandas as pd

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/cytopipe-tiny@best")
found = model.predict(pd.DataFrame({"image": [Path(name).read_bytes() for name in json.load(sys.stdin)]}))
json.dump(found.to_dict("records"), sys.stdout)
"""


def winner_of(project: Project) -> str:
    board = json.loads((project.folder / "results/leaderboard.json").read_text())
    return str(board["tiny"]["chosen"]["name"])


def images_of(project: Project) -> dict[str, Path]:
    """The test split by id."""
    organized = project.folder / "data/organized/tiny"
    with (organized / "manifest.csv").open(newline="") as file:
        return {row["id"]: organized / row["path"] for row in csv.DictReader(file) if row["split"] == "test"}


def pinned() -> dict[str, str]:
    """The instruction set that the preset tiny trains with; a server takes its machine's own unless it is told."""
    return pins(features(), version("numpy")) if is_portable(features()) else {}


def served(project: Project, images: list[Path], folder: Path) -> list[dict[str, Any]]:
    """The predictions of a project's registered winner for image files, made in another folder."""
    done = subprocess.run(
        [sys.executable, "-c", USE, f"sqlite:///{project.folder / 'mlflow.db'}"],
        cwd=folder,
        env=project.environment | pinned(),
        input=json.dumps([str(path) for path in images]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@both_engines
def test_the_registered_winner_predicts_what_evaluate_wrote(finished: Finished, engine: str, tmp_path: Path) -> None:
    project: Project = getattr(finished, engine)
    images = images_of(project)
    found = served(project, list(images.values()), tmp_path)
    with (project.folder / "results/classifiers" / winner_of(project) / "predictions.csv").open(newline="") as file:
        written = {row["id"]: row for row in csv.DictReader(file)}
    assert list(images) == list(written) and len(found) == len(written) > 10
    for row, expected in zip(found, written.values(), strict=True):
        assert row["error"] is None and row["predicted"] == expected["predicted"]
        for name in (name for name in expected if name.startswith("p_")):
            assert f"{row[name]:.6g}" == expected[name]


@pytest.mark.xdist_group("dvc")
def test_the_registered_winner_predicts_what_the_command_says(finished: Finished, tmp_path: Path) -> None:
    project = finished.dvc
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    images = [bad, *images_of(project).values()]
    command = ["cytopipe", "predict", f"models/classifiers/{winner_of(project)}", *map(str, images)]
    table = tmp_path / "predictions.csv"
    project.run(*command, "--out", str(table), status=2)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = served(project, images, tmp_path)
    assert list(found[0]) == [name for name in rows[0] if name not in ("image", "sha256", "model")]
    for one, row in zip(found, rows, strict=True):
        for name, value in one.items():
            text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
            assert row[name] == (text.lower() if isinstance(value, bool) else text), name


@both_engines
def test_every_classifier_is_logged_once_by_the_run_that_trained_it(finished: Finished, engine: str) -> None:
    from mlflow import MlflowClient

    project: Project = getattr(finished, engine)
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cytopipe")
    assert experiment is not None
    models = client.search_logged_models([experiment.experiment_id])
    assert sorted(one.tags["classifier"] for one in models) == ["masks", "resnet-masked", "resnet-rgb"]
    for one in models:
        assert one.source_run_id is not None
        run = client.get_run(one.source_run_id)
        assert run.data.tags["stage"] == "train_classifier" and run.data.tags["item"] == one.tags["classifier"]
        details = project.folder / "results/classifiers" / one.tags["classifier"] / "details.json"
        assert one.tags["identity"] == ClassifierDetails.read(details).model
    best = client.get_model_version_by_alias("cytopipe-tiny", "best")
    assert best.tags["classifier"] == winner_of(project)
    assert best.tags["commit"] == project.run("git", "rev-parse", "HEAD").strip()


@pytest.mark.xdist_group("dvc")
def test_comparing_again_adds_no_version(dvc_copy: Project) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{dvc_copy.folder / 'mlflow.db'}")
    (before,) = client.search_model_versions("name = 'cytopipe-tiny'")
    assert dvc_copy.dvc("repro", "-sf", "compare") == ["compare"]
    (after,) = client.search_model_versions("name = 'cytopipe-tiny'")
    assert (after.version, after.source) == (before.version, before.source)
    assert dvc_copy.run("dvc", "status").strip() == "Data and pipelines are up to date."
