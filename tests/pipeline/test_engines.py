"""The preset tiny by both engines: the same bytes, nothing to do the second time, one MLflow run per stage."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml

from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.screening import ScreeningDetails
from cytopipe.results.segmenter import SegmenterDetails

if TYPE_CHECKING:
    from engine_projects import Finished, Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]
in_group_of_dvc = pytest.mark.xdist_group("dvc")
in_group_of_snakemake = pytest.mark.xdist_group("snakemake")

STAGES = {
    *(f"{stage}@tiny" for stage in ("download", "organize", "generate_masks", "build_tensors", "audit")),
    "train_segmenter@unet",
    *(f"train_classifier@{name}" for name in ("masks", "resnet-rgb", "resnet-masked")),
    *(f"{stage}@{name}" for stage in ("evaluate", "explain") for name in ("masks", "resnet-rgb", "resnet-masked")),
    "evaluate_screening@fields",
    "compare",
    "report",
}


def outputs_of(project: Project) -> list[str]:
    """Every output that dvc.lock names."""
    stages = yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]
    return [out["path"] for stage in stages.values() for out in stage["outs"]]


@in_group_of_dvc
def test_both_engines_write_the_same_bytes(finished: Finished) -> None:
    by_dvc, by_snakemake = finished.dvc.sums(), finished.snakemake.sums()
    assert by_dvc == by_snakemake
    for output in outputs_of(finished.dvc):
        assert output in by_dvc or any(file.startswith(f"{output}/") for file in by_dvc), output


@in_group_of_dvc
def test_no_output_names_this_machine(finished: Finished) -> None:
    folder = str(finished.dvc.folder.parent).encode()
    assert [name for name in finished.dvc.sums() if folder in (finished.dvc.folder / name).read_bytes()] == []


@in_group_of_dvc
def test_dvc_leaves_nothing_but_its_lock_file(finished: Finished) -> None:
    assert finished.dvc.run("git", "status", "--porcelain").split() == ["??", "dvc.lock"]


@in_group_of_snakemake
def test_snakemake_leaves_the_work_tree_as_it_was(finished: Finished) -> None:
    assert finished.snakemake.run("git", "status", "--porcelain") == ""


@in_group_of_dvc
def test_a_second_dvc_repro_runs_nothing(dvc_copy: Project) -> None:
    lock = (dvc_copy.folder / "dvc.lock").read_bytes()
    output = dvc_copy.run("dvc", "repro")
    assert "Running" not in output and "Data and pipelines are up to date." in output
    assert (dvc_copy.folder / "dvc.lock").read_bytes() == lock


@in_group_of_snakemake
def test_a_second_snakemake_runs_nothing(snakemake_copy: Project) -> None:
    assert "Nothing to be done" in snakemake_copy.run("snakemake", "--cores", "1")


@pytest.mark.parametrize(
    "engine",
    [pytest.param("dvc", marks=in_group_of_dvc), pytest.param("snakemake", marks=in_group_of_snakemake)],
)
def test_mlflow_holds_one_finished_run_of_every_stage(finished: Finished, engine: str) -> None:
    project: Project = getattr(finished, engine)
    runs = runs_of(project.folder / "mlflow.db")
    assert sorted(run.info.run_name for run in runs) == sorted(STAGES)
    assert {run.info.status for run in runs} == {"FINISHED"}
    tags = [run.data.tags for run in runs]
    assert {tag["stage"] + "@" + tag.get("item", "") for tag in tags} == {
        name if "@" in name else f"{name}@" for name in STAGES
    }
    assert {tag["commit"] for tag in tags} == {project.run("git", "rev-parse", "HEAD").strip()}
    assert {tag["engine"] for tag in tags} == {engine}
    assert len({tag["pipeline_pass"] for tag in tags}) == 1
    for run in runs:
        hashes = [value for name, value in run.data.tags.items() if name.startswith("input.")]
        assert hashes and all(len(value) == 64 for value in hashes), run.info.run_name
        assert run.data.params["runtime.num_threads"] == "1"


@in_group_of_dvc
def test_mlflow_holds_the_numbers_of_the_outputs(finished: Finished) -> None:
    runs = {run.info.run_name: run for run in runs_of(finished.dvc.folder / "mlflow.db")}
    training = runs["train_classifier@masks"]
    assert training.data.params["classifier.training.learning_rate"] == "0.002"
    assert {"train_loss", "val_loss", "val_accuracy"} <= training.data.metrics.keys()
    results = finished.dvc.folder / "results"
    details = ClassifierDetails.read(results / "classifiers/masks/details.json")
    logged = runs["evaluate@masks"].data.metrics
    assert logged["accuracy"] == pytest.approx(details.metrics["accuracy"].value, abs=1e-5)
    screened = ScreeningDetails.read(results / "screenings/fields/details.json")
    logged = runs["evaluate_screening@fields"].data.metrics
    assert logged["count_mean_error"] == pytest.approx(screened.count["mean_error"].value, abs=1e-5)
    segmented = SegmenterDetails.read(results / "segmenters/unet/details.json")
    logged = runs["train_segmenter@unet"].data.metrics
    assert logged["dice_cell"] == pytest.approx(segmented.metrics["dice_cell"].value, abs=1e-5)


def runs_of(database: Path) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("cytopipe")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


@in_group_of_snakemake
def test_the_metrics_pass_the_gate_and_a_planted_regression_does_not(snakemake_copy: Project) -> None:
    """The gate that rejects a change that makes the metrics of the preset tiny worse."""
    gate = ("cytopipe", "gate", "--baseline", "tests/baselines/tiny.json")
    print(snakemake_copy.run(*gate))
    file = snakemake_copy.folder / "results/segmenters/unet/details.json"
    content = file.read_text()
    details = json.loads(content)
    details["metrics"]["dice_nucleus"]["value"] -= 0.2
    file.write_text(json.dumps(details))
    assert "**worse**" in snakemake_copy.run(*gate, status=1)
    file.write_text(content)
    snakemake_copy.edit_params("datasets.tiny.source.seed", 2)
    assert "numbers cannot be compared" in snakemake_copy.run(*gate, status=1)


@in_group_of_dvc
def test_a_run_is_held_against_a_git_revision(dvc_copy: Project) -> None:
    dvc_copy.commit()
    gate = ("cytopipe", "gate", "--rev", "HEAD")
    table = dvc_copy.run(*gate)
    # Three classifiers, with their calibration, and a segmenter and a screening.
    assert table.count(" ok ") == 40
    file = dvc_copy.folder / "results/classifiers/masks/details.json"
    details = json.loads(file.read_text())
    details["metrics"]["accuracy"]["value"] *= -1
    file.unlink()  # DVC may have linked it to its cache
    file.write_text(json.dumps(details))
    assert "**worse**" in dvc_copy.run(*gate, status=1)


@in_group_of_dvc
def test_a_forced_run_that_was_killed_in_mid_training_ends_with_the_same_bytes(
    finished: Finished, dvc_copy: Project
) -> None:
    kill_when(dvc_copy, ".cytopipe/checkpoints/train_segmenter@unet/*/folds/0/last.pt", "dvc", "repro", "--force")
    output = dvc_copy.run("dvc", "repro", "--force")
    assert "resuming after epoch" in output
    assert dvc_copy.sums() == finished.dvc.sums()
    assert dvc_copy.run("git", "status", "--porcelain").split() == ["??", "dvc.lock"]


@in_group_of_snakemake
def test_a_pass_of_snakemake_that_fails_ends_with_what_failed(snakemake_copy: Project) -> None:
    training = "train_classifier@masks"
    (snakemake_copy.folder / "data/tensors/tiny/train.npy").write_bytes(b"no array")
    said = snakemake_copy.run("snakemake", "--cores", "1", "--forcerun", training, training, status=1)
    _, found, summary = said.partition("The pass ended early. Failed:\n")
    assert found
    assert "train_classifier@masks: error in train_classifier@masks" in summary
    assert "log: logs/train_classifier@masks.log" in summary and "cytopipe status" in summary


@in_group_of_snakemake
def test_a_killed_snakemake_goes_on_and_ends_with_the_same_bytes(finished: Finished, snakemake_copy: Project) -> None:
    force = ("--cores", "1", "--forcerun", "train_classifier@masks")
    kill_when(snakemake_copy, ".cytopipe/checkpoints/train_classifier@masks/*/main/last.pt", "snakemake", *force)
    assert "resuming after epoch" in snakemake_copy.run("snakemake", "--cores", "1")
    assert snakemake_copy.sums() == finished.snakemake.sums()
    assert "Nothing to be done" in snakemake_copy.run("snakemake", "--cores", "1")


def kill_when(project: Project, appears: str, *command: str) -> None:
    """Start the command, kill only it (-9) when a file appears, and wait until its stage has ended."""
    process = project.start(*command)
    while not list(project.folder.glob(appears)):
        assert process.poll() is None, f"ended before {appears} was there:\n{project.log.read_text()}"
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive, "the stage outlived its engine"
