"""Passes that are killed where a seed says, files that are damaged, and two hands at work at once: nothing is lost.

`make chaos` kills whole passes, more often.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cytopipe.core.pipeline.last_runs import last_run
from engine_projects import MINUTES, Finished, Project
from kills import ENGINES, Pipeline, draw, drawn_by, forget_in_lock, recorded, stage_of

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(1800)]
KILLS = 20


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pass_that_is_killed_anywhere_ends_whole_when_it_is_run_again(
    finished: Finished, tmp_path: Path, engine: str
) -> None:
    original: Project = getattr(finished, engine)
    pipeline = Pipeline(original.copy(tmp_path / "project").folder, original.sums(), whole_pass=False)
    # Short stages more often: the whole takes minutes, and over many seeds every stage has its turn.
    cost = {name: 3 + (last_run(name, original.folder).cpu_seconds or 0) for name in pipeline.rules}
    seed = drawn_by()
    for kill in draw(seed, KILLS, list(pipeline.rules), {name: 1 / seconds for name, seconds in cost.items()}):
        if kill.engine == engine:
            outcome = pipeline.suffer(kill)
            print(outcome)
            assert not outcome.faults, f"seed {seed}: {outcome}"


# Kind of file: a pattern below the project, and a stage that reads it.
READ = {
    "publisher's image": ("data/raw/tiny/files/**/*.bmp", "organize", "tiny"),
    "publisher's outline": ("data/raw/tiny/files/**/*.dat", "organize", "tiny"),
    "list of the publisher's files": ("data/raw/tiny/manifest.csv", "organize", "tiny"),
    "image": ("data/organized/tiny/train/*/*.png", "train_segmenter", "unet"),
    "true mask": ("data/organized/tiny/masks/*.png", "train_segmenter", "unet"),
    "labels and splits": ("data/organized/tiny/manifest.csv", "generate_masks", "tiny"),
    "counts and classes": ("data/organized/tiny/summary.json", "train_classifier", "masks"),
    "predicted mask": ("data/masks/tiny/predicted/*.png", "build_tensors", "tiny"),
    "array to learn from": ("data/tensors/tiny/train.npy", "train_classifier", "masks"),
    "array to test on": ("data/tensors/tiny/test.npy", "evaluate", "masks"),
    "weights": ("models/classifiers/masks/weights.safetensors", "evaluate", "masks"),
    "description of a model": ("models/classifiers/masks/model.json", "explain", "masks"),
    "predictions": ("results/classifiers/masks/predictions.csv", "explain", "masks"),
    "metrics with intervals": ("results/classifiers/masks/details.json", "compare", ""),
    "metrics of DVC": ("results/classifiers/masks/metrics.json", "report", ""),
    "leaderboard": ("results/leaderboard.json", "report", ""),
}


def test_a_flipped_bit_in_any_kind_of_file_is_named_before_it_is_used(snakemake_copy: Project) -> None:
    for kind, (pattern, stage, item) in READ.items():
        file = sorted(snakemake_copy.folder.glob(pattern))[0]
        content = file.read_bytes()
        flip(file)
        said = run_script(snakemake_copy, stage, item)
        name = file.relative_to(snakemake_copy.folder).as_posix()
        label = f"{stage}@{item}" if item else stage
        assert f"error in {label}: {name}: this file has other bytes than " in said, f"{kind}: {said}"
        assert "Traceback" not in said
        file.write_bytes(content)
    image = sorted(snakemake_copy.folder.glob("data/organized/tiny/val/*/*.png"))[-1]
    image.unlink()
    assert f"{image.name}: this file is gone, which organize@tiny wrote" in run_script(
        snakemake_copy, "train_segmenter", "unet"
    )


def run_script(project: Project, stage: str, item: str) -> str:
    """What a stage that must fail says."""
    return project.run(sys.executable, f"stages/{stage}.py", *([item] if item else []), status=1)


def flip(file: Path) -> None:
    """Flip a bit in the middle, in place: DVC's cache, which has the same inode, changes too."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)


def test_dvc_mends_what_was_damaged_deleted_or_dated_otherwise(finished: Finished, dvc_copy: Project) -> None:
    tensors, image = "data/tensors/tiny", sorted(dvc_copy.folder.glob("data/organized/tiny/test/*/*.png"))[0]
    dvc_copy.run("dvc", "gc", "--workspace", "--force", "--quiet")
    for days in (1, -1):  # of a clock that was set
        for file in (dvc_copy.folder / "data/masks").rglob("*.png"):
            os.utime(file, (time.time() + days * 86_400,) * 2)
        assert dvc_copy.dvc("repro", "build_tensors@tiny") == []
    flip(dvc_copy.folder / tensors / "train.npy")
    image.unlink()
    shutil.rmtree(dvc_copy.folder / "data/masks/tiny/predicted")
    dvc_copy.run("dvc", "repro", "build_tensors@tiny")
    assert dvc_copy.sums() == finished.dvc.sums()


@pytest.mark.parametrize(
    ("engine", "command", "refusal"),
    [
        ("dvc", ["dvc", "repro", "--force", "--single-item", "organize@tiny"], "it is being blocked by"),
        ("snakemake", ["snakemake", "--cores", "1", "--forcerun", "organize@tiny", "--", "organize@tiny"], "LockExcep"),
    ],
)
def test_of_two_passes_at_once_one_is_refused_and_the_other_ends(
    finished: Finished, tmp_path: Path, engine: str, command: list[str], refusal: str
) -> None:
    project: Project = getattr(finished, engine).copy(tmp_path / "project")
    with in_mid_stage(project, *command) as stage:
        stage.suspend()
        try:
            assert refusal in project.run(*command, status=1 if engine == "snakemake" else 255)
        finally:
            stage.resume()
    assert project.sums() == getattr(finished, engine).sums()


def test_a_parameter_that_is_edited_while_its_stage_runs_is_not_recorded_for_it(
    finished: Finished, dvc_copy: Project
) -> None:
    command = ("dvc", "repro", "--no-run-cache", "train_classifier@resnet-masked")
    key = "classifiers.resnet-masked.training.learning_rate"
    before, lock = (dvc_copy.folder / "params.yaml").read_bytes(), recorded(dvc_copy.folder)
    shutil.rmtree(dvc_copy.folder / "models/classifiers/resnet-masked")
    forget_in_lock(dvc_copy.folder, ["train_classifier@resnet-masked"])
    with in_mid_stage(dvc_copy, *command, status=255) as stage:
        stage.suspend()
        dvc_copy.edit_params(key, 0.5)
        stage.resume()
    said = dvc_copy.log.read_text()
    assert "params.yaml: classifiers.resnet-masked: this was edited while the stage ran" in said
    assert "train_classifier@resnet-masked" not in recorded(dvc_copy.folder)
    (dvc_copy.folder / "params.yaml").write_bytes(before)
    assert "resuming after epoch 8" in dvc_copy.run(*command)
    assert dvc_copy.sums() == finished.dvc.sums()
    assert recorded(dvc_copy.folder) == lock


@contextmanager
def in_mid_stage(project: Project, *command: str, status: int = 0) -> Iterator[psutil.Process]:
    """The process of the first stage that a pass runs, once it has locked the stage; the pass ends with this status."""
    pass_ = project.start(*command)
    try:
        yield until(pass_, lambda: running_stage(project, pass_))
    finally:
        ended = pass_.wait(10 * MINUTES)
    assert ended == status, project.log.read_text()


def running_stage(project: Project, pass_: subprocess.Popen[bytes]) -> psutil.Process | None:
    for process in psutil.Process(pass_.pid).children(recursive=True):
        if label := stage_of(process):
            lock = project.folder / f".cytopipe/locks/{label}.lock"
            if lock.exists() and str(process.pid) in lock.read_text():
                return process
    return None


def until(pass_: subprocess.Popen[bytes], found: Callable[[], psutil.Process | None]) -> psutil.Process:
    while pass_.poll() is None:
        try:
            if process := found():
                return process
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.02)
    raise AssertionError("no stage was seen")
