"""Faults of people's files, machines and settings: one message with what, where and what to do, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from engine_projects import Project
from small_projects import parameters, small, stage, template

WITHOUT = """
import runpy, sys
for name in {names!r}:
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RAISES = """
import sys
from cytopipe.core.pipeline.stage import Stage, main

def run(stage: Stage) -> None:
    {body}

main(run, "A stage that fails.")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with tensors, from which classifiers can be trained."""
    folder = tmp_path_factory.mktemp("messages")
    project = small(template(folder / "template"), folder / "work/project")
    for name, item in (
        ("download", "mine"),
        ("organize", "mine"),
        ("train_segmenter", "threshold"),
        ("generate_masks", "mine"),
        ("build_tensors", "mine"),
    ):
        done = stage(project, name, item)
        assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    return built.copy(tmp_path / "project")


def set_classifier(project: Project, **changes: object) -> None:
    file = project.folder / "params.yaml"
    values = yaml.safe_load(file.read_text())
    values["classifiers"]["c"] |= changes
    file.write_text(yaml.safe_dump(values, sort_keys=False))


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that failed in order."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "\n  -> " in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_transformer_trains_on_images_of_another_size(project: Project, architecture: str) -> None:
    set_classifier(project, architecture=f"timm/{architecture}")
    done = stage(project, "train_classifier", "c")
    assert done.returncode == 0, done.stderr
    spec = (project.folder / "models/classifiers/c/model.json").read_text()
    assert '"img_size": 32' in spec


def test_an_architecture_of_another_size_names_sizes(project: Project) -> None:
    set_classifier(project, architecture="timm/efficientformer_l1")
    said = refused(stage(project, "train_classifier", "c"))
    assert "timm/efficientformer_l1: takes no images of 32 x 32 px" in said
    assert "set the dataset's image_size, or the classifier's input_size, to 224" in said


def test_batches_of_one_image_whose_features_are_a_pixel(project: Project) -> None:
    training = {"epochs": 1, "batch_size": 1, "learning_rate": 0.01}
    set_classifier(project, architecture="timm/resnet18", training=training)
    said = refused(stage(project, "train_classifier", "c"))
    assert "batch normalisation cannot learn from one image" in said
    assert "raise classifiers.c.training.batch_size to 2 or more" in said
    assert (project.folder / ".cytopipe/tracebacks/train_classifier@c.txt").read_text().startswith("Traceback")


def test_a_last_batch_of_one_image_is_left_out(project: Project) -> None:
    training = {"epochs": 1, "batch_size": 11, "learning_rate": 0.01}  # of 12
    set_classifier(project, architecture="timm/resnet18", training=training)
    assert stage(project, "train_classifier", "c").returncode == 0


RAISED = {
    "raise MemoryError": (
        "the memory of this machine is full",
        "runtime.num_workers, classifiers.c.training.batch_size",
    ),
    "import torch; raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')": (
        "the memory of the GPU is full",
        "lower classifiers.c.training.batch_size",
    ),
    "raise OSError(28, 'No space left on device', 'models/x')": ("models/x: the disk is full", "make room"),
    "raise RuntimeError('unable to allocate shared memory(shm) for file </torch_1>')": (
        "/dev/shm",
        "runtime.num_workers: 0",
    ),
    "raise KeyError('getpwuid(): uid not found: 77')": ("this user id (77) has no name", "export USER=me"),
    "from torchy import net": ("the Python package torchy is not installed", "make setup"),
    "{}['a key']": ("KeyError: 'a key'", ".cytopipe/tracebacks/train_classifier@c.txt holds the traceback"),
    "assert not 'even this'": ("AssertionError", "cytopipe did not foresee this"),
}


@pytest.mark.parametrize("body", RAISED)
def test_whatever_a_stage_raises_is_a_message(project: Project, body: str) -> None:
    (project.folder / "stages/train_classifier.py").write_text(RAISES.format(body=body))
    what, hint = RAISED[body]
    said = refused(stage(project, "train_classifier", "c"))
    assert said.startswith("error in train_classifier@c: ") and what in said and hint in said
    assert not (project.folder / "models/classifiers").exists()
    assert (project.folder / ".cytopipe/tracebacks/train_classifier@c.txt").exists()


def test_debug_shows_the_traceback(project: Project) -> None:
    (project.folder / "stages/train_classifier.py").write_text(RAISES.format(body="raise MemoryError"))
    assert "Traceback" in project.run("python", "stages/train_classifier.py", "c", "--debug", status=1)


def without(project: Project, names: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a script where some modules cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names), *command],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


UNIX = ["fcntl", "pwd", "grp", "resource", "termios"]


def test_windows_is_told_what_runs_there(project: Project) -> None:
    said = refused(without(project, ["fcntl"], "stages/download.py", "mine"))  # psutil itself needs the others here
    assert "the stages run on Linux, on macOS, and on Windows in WSL, but not on Windows itself" in said
    assert "wsl --install" in said


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["preset"], ["models"], ["datasets"]])
def test_commands_that_windows_runs(project: Project, arguments: list[str]) -> None:
    done = without(project, UNIX, shutil.which("cytopipe") or "", *arguments)
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_predict_runs_where_files_have_no_locks(project: Project) -> None:
    assert stage(project, "train_classifier", "c").returncode == 0
    command = [shutil.which("cytopipe") or "", "predict", "models/classifiers/c", "data/organized/mine/test"]
    done = without(project, UNIX, *command, "--out", "predictions.csv")
    assert done.returncode == 0, done.stderr
    assert len((project.folder / "predictions.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("missing", ["torch", "timm", "sklearn"])
def test_a_missing_package_is_named(project: Project, missing: str) -> None:
    said = refused(without(project, [missing], "stages/train_classifier.py", "c"))
    assert f"the Python package {missing} is not installed" in said and "source .venv/bin/activate" in said


def test_without_mlflow_the_stage_goes_on(project: Project) -> None:
    project.edit_params("tracking.enabled", True)
    done = without(project, ["mlflow"], "stages/organize.py", "mine")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert len(list((project.folder / ".cytopipe/journal").iterdir())) == 1  # it waits for `cytopipe sync`


def test_shared_memory_that_is_too_small_is_done_without(built: Project, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    project = built.copy(tmp_path / "project")
    program = (
        "import time\nfrom cytopipe.core.io import workers\nworkers.PATIENCE_S = 0.0\n"
        "print(list(workers.ordered_map(time.sleep, [0.01] * 4, 2)))\n"
    )
    (project.folder / "map.py").write_text(program)
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", "mount -t tmpfs -o size=4k tmpfs /dev/shm && python map.py"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[None, None, None, None]\n")
    assert "/dev/shm cannot be used" in done.stderr and "runtime.num_workers: 0" in done.stderr


def test_a_training_needs_no_shared_memory(project: Project) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    project.edit_params("runtime.num_workers", 2)
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "bash",
            "-c",
            "mount -t tmpfs -o size=4k tmpfs /dev/shm && python stages/train_classifier.py c",
        ],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datasets:\n\tmine: {}\n", "params.yaml:2: a tab, which YAML does not take\n  -> indent by spaces"),
        (parameters("../cells") + "audit: full\n", "the key 'audit' stands twice"),
        (
            parameters("../cells").replace("image_size", "imagesize"),
            "datasets.mine: unknown key 'imagesize'; did you mean: image_size",
        ),
        ("", "params.yaml: the file is empty"),
        ("mine", "params.yaml: the file holds a str, not keys with values"),
        (parameters("../no/such/cells"), "datasets.mine.source.path: there is no file or folder '../no/such/cells'"),
    ],
    ids=["tab", "twice", "unknown", "empty", "text", "source"],
)
def test_a_fault_of_params_yaml(project: Project, text: str, said: str) -> None:
    (project.folder / "params.yaml").write_text(text)
    assert said in refused(stage(project, "download"))


def test_a_stage_whose_inputs_are_not_there_names_the_command(project: Project) -> None:
    shutil.rmtree(project.folder / "data/organized")
    said = refused(stage(project, "build_tensors"))
    assert (
        "data/organized/mine: this input is missing\n  -> run the stages before it: dvc repro build_tensors@mine"
        in said
    )


def test_pretrained_weights_that_are_not_there_name_their_key(project: Project) -> None:
    set_classifier(project, pretrained="../weights.safetensors")
    said = refused(stage(project, "train_classifier", "c"))
    assert "pretrained, of c: there is no file or folder '../weights.safetensors'" in said


def test_a_project_without_its_dvc_yaml(project: Project) -> None:
    (project.folder / "dvc.yaml").unlink()
    assert "dvc.yaml: cannot be read" in refused(stage(project, "organize"))


def test_a_command_that_fails_in_another_library(tmp_path: Path) -> None:
    """A model folder whose weights are replaced by a folder: an error of the system in a command."""
    program = (
        "import typer\nfrom cytopipe.cli.common import clear_errors\n"
        "app = typer.Typer()\n@app.command()\ndef go(debug: bool = False):\n"
        "    with clear_errors(debug):\n        raise MemoryError\napp()\n"
    )
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False)
    assert refused(done).startswith("error: the memory of this machine is full")
    assert list(tmp_path.iterdir()) == []
    debug = subprocess.run([*run, "--debug"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert debug.returncode == 1 and "MemoryError" in debug.stderr
