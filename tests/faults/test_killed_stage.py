"""A training that is killed, alone or with its engine, leaves no partial output and resumes to the same bytes.

The real stage trains a small network with dropout, batch normalisation and augmentation, with a loader process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
import yaml

from cytopipe.core.io.hashing import sha256_file
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.results.tensors import Some, TensorsSummary
from made_models import make_models
from made_results import dataset_summary

NETWORK = {"backbone": "test_convnext", "widths": [16, 8], "attention_heads": 2}
EPOCHS = 20

Hashes = dict[str, str]

pytestmark = pytest.mark.xdist_group("killed")  # share the trainings


def parameters(root: Path) -> dict[str, Any]:
    """The preset tiny with one classifier."""
    values: dict[str, Any] = yaml.safe_load((root / "workflow/presets/tiny.yaml").read_text())
    recipe = {
        "epochs": EPOCHS,
        "batch_size": 8,
        "precision": "fp32",
        "gradient_clip": 1.0,
        "augment": {"flips": True, "rotation": 15, "brightness": 0.1},
    }
    network = {"architecture": "convnext_attention", "arguments": NETWORK, "pretrained": "workflow/weights/none"}
    classifier = {"dataset": "tiny", **network, "training": recipe}
    runtime = {"device": "cpu", "cpu": "native", "num_threads": 1, "num_workers": 1}
    others = {"tracking": {"enabled": False}, "classifiers": {"small": classifier}, "screenings": {}}
    return {**values, "runtime": runtime, **others}


@pytest.fixture(scope="module")
def template(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with tensors and without trained models."""
    project = tmp_path_factory.mktemp("template") / "project"
    shutil.copytree(root / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(root / "stages", project / "stages")
    shutil.copy(root / "dvc.yaml", project)
    (project / "workflow").symlink_to(root / "workflow")
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (project / "params.yaml").write_text(yaml.safe_dump(parameters(root), sort_keys=False))

    tensors, rng, rows = project / "data/tensors/tiny", np.random.default_rng(0), []
    tensors.mkdir(parents=True)
    for split, count in (("test", 6), ("train", 18), ("val", 6)):
        np.save(tensors / f"{split}.npy", rng.integers(0, 256, (count, 32, 32, 5), dtype=np.uint8))
        rows += [Row(f"{split}{i:02}", "", "ab"[i % 2], i % 2, split, str(i), 32, 32, "0" * 64) for i in range(count)]
    write_manifest(tensors / "manifest.csv", rows)
    none = Some(count=0, first=None)
    summary = TensorsSummary(dataset="tiny", images=30, image_size=32, fit="stretch", padded=none, cropped=none)
    summary.write(tensors / "summary.json")
    organized = project / "data/organized/tiny"
    organized.mkdir(parents=True)
    dataset_summary("tiny", "ab", {"train": 9, "val": 3, "test": 3}, 32).write(organized / "summary.json")
    made = make_models(tmp_path_factory.mktemp("models"))
    shutil.copytree(made / "segmenters/otsu", project / "data/masks/tiny/segmenter")
    return project


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A fresh copy of the template."""
    return copy(template, tmp_path / "project")


def copy(project: Path, target: Path) -> Path:
    shutil.copytree(project, target, symlinks=True)
    return target


def start(project: Path, *, by_dvc: bool = False, inherited_threads: int = 1) -> subprocess.Popen[str]:
    """Start the training, by its script or by `dvc repro`; its log is the process' stderr."""
    python = Path(sys.executable)
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project / "src"),
        "OMP_NUM_THREADS": str(inherited_threads),
    }
    stage = [python.parent / "dvc", "repro", "-s", "train_classifier@small"]
    command = [python, *(stage if by_dvc else ["stages/train_classifier.py", "small"])]
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=project, env=environment, **streams)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process, which must succeed; returns its log."""
    _, log = process.communicate(timeout=500)
    assert process.returncode == 0, log
    return log


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read the log of a process until these words appear."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if words in line:
            return
    raise AssertionError("".join(seen))


def hashes(project: Path) -> Hashes:
    """SHA-256 of every output file, including hidden ones."""
    files = [file for folder in ("models", "results") for file in (project / folder).rglob("*") if file.is_file()]
    return {file.relative_to(project).as_posix(): sha256_file(file) for file in files}


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture(scope="module")
def undisturbed(template: Path) -> Hashes:
    """Outputs of an undisturbed training; the environment asks for two threads, the parameters for one."""
    project = copy(template, template.parent / "undisturbed")
    log = finish(start(project, inherited_threads=2))
    assert f"epoch {EPOCHS}:" in log and "resuming" not in log
    return hashes(project)


class Killed(NamedTuple):
    """A project whose stage was killed during training, and a copy of it."""

    project: Path
    copy: Path


@pytest.fixture(scope="module")
def killed(template: Path) -> Killed:
    project = copy(template, template.parent / "killed")
    with start(project) as process:
        wait_for(process, "epoch 2:")
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return Killed(project, copy(project, template.parent / "copy"))


def checkpoint(project: Path) -> Path:
    (file,) = (project / ".cytopipe/checkpoints").rglob("last.pt")
    return file


def test_a_killed_stage_leaves_no_output_and_resumes_to_the_same_bytes(killed: Killed, undisturbed: Hashes) -> None:
    # Six files of the model and three of its segmenter; a history, two plot tables, a figure, predictions.
    assert len(undisturbed) == 15
    assert hashes(killed.project) == {}
    # The loader process of the killed stage holds the lock until it notices that its parent is dead: the new run waits.
    log = finish(start(killed.project))
    assert "resuming after epoch" in log
    assert hashes(killed.project) == undisturbed
    assert list((killed.project / ".cytopipe/checkpoints").iterdir()) == []


def test_a_damaged_checkpoint_is_noticed_and_training_starts_over(killed: Killed, undisturbed: Hashes) -> None:
    file = checkpoint(killed.copy)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    log = finish(start(killed.copy))
    assert "last.pt is damaged: training starts again from the first epoch" in log and "resuming" not in log
    assert hashes(killed.copy) == undisturbed


def test_a_killed_engine_takes_its_stage_along_and_the_next_run_resumes(project: Path, undisturbed: Hashes) -> None:
    with start(project, by_dvc=True) as engine:
        wait_for(engine, "epoch 2:")
        family = psutil.Process(engine.pid).children(recursive=True)
        assert any("stages/train_classifier.py" in process.cmdline() for process in family)
        os.kill(engine.pid, signal.SIGKILL)
        assert until(lambda: all(gone(process) for process in family), 10)
    assert hashes(project) == {}
    log = finish(start(project, by_dvc=True))
    assert "resuming after epoch" in log
    assert hashes(project) == undisturbed


def test_a_second_run_at_the_same_time_is_refused(project: Path, undisturbed: Hashes) -> None:
    with start(project) as first:
        wait_for(first, "epoch 1:")
        os.kill(first.pid, signal.SIGSTOP)  # so that it does not finish while the second run waits for it
        try:
            second = start(project)
            _, log = second.communicate(timeout=500)
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert second.returncode == 1
        assert log.startswith("error in train_classifier@small: .cytopipe/locks/") and "in use by process" in log
        finish(first)
    assert hashes(project) == undisturbed


def ranks_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train a network together, rank 0 first."""
    found = [one for one in psutil.Process(process.pid).children() if "spawn_main" in " ".join(one.cmdline())]
    return sorted(found, key=lambda one: (one.create_time(), one.pid))


def test_a_killed_rank_ends_the_others_with_one_message_and_the_training_resumes(template: Path) -> None:
    shared = copy(template, template.parent / "shared")
    values = yaml.safe_load((shared / "params.yaml").read_text())
    values["runtime"]["devices"] = 2
    values["classifiers"]["small"]["training"]["epochs"] = epochs = 32  # of a tenth of a second: time for two kills
    (shared / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    whole = copy(shared, template.parent / "whole")

    with start(shared) as process:
        wait_for(process, "epoch 2:")
        family = psutil.Process(process.pid).children(recursive=True)
        ranks_of(process)[1].kill()
        assert until(lambda: process.poll() is not None, 10)
        assert process.stderr is not None
        log = process.stderr.read()
    assert process.returncode == 1
    assert "runtime.devices: rank 1 of 2 was ended by SIGKILL" in log
    assert log.count("error in") == 1 and "Traceback" not in log
    assert until(lambda: all(gone(one) for one in family), 10)
    assert hashes(shared) == {}

    with start(shared) as process:
        wait_for(process, "resuming after epoch")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(ranks_of(process)) == 2
        os.kill(process.pid, signal.SIGKILL)  # nobody is left to end the ranks
    assert until(lambda: all(gone(one) for one in family), 10)

    assert "resuming after epoch" in finish(start(shared))
    log = finish(start(whole))  # undisturbed
    assert [log.count(f"epoch {epoch}:") for epoch in (1, epochs)] == [1, 1]  # rank 0 alone speaks
    assert hashes(shared) == hashes(whole)
    assert '"devices": 2' in (whole / "models/classifiers/small/model.json").read_text()
    assert not list((whole / ".cytopipe/scratch").rglob("*"))


def test_sigterm_ends_a_training_in_seconds_and_the_next_run_resumes(project: Path, undisturbed: Hashes) -> None:
    """Slurm sends it 30 s before SIGKILL."""
    with start(project) as process:
        wait_for(process, "epoch 2:")
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; nothing half-written is left, finished epochs are kept" in said and "Traceback" not in said
    assert hashes(project) == {}
    assert "resuming after epoch" in finish(start(project))
    assert hashes(project) == undisturbed


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root mounts a small disk")
def test_a_disk_that_is_full_when_the_model_is_written_costs_no_epoch(project: Path, undisturbed: Hashes) -> None:
    (project / "models").mkdir()
    script = f'mount -t tmpfs -o size=16k tmpfs models && exec "{sys.executable}" stages/train_classifier.py small'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if "permission denied" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("this container may not mount")
    assert done.returncode == 1
    assert "the disk is full\n  -> make room" in done.stderr and "Traceback" not in done.stderr
    assert hashes(project) == {}
    assert f"resuming after epoch {EPOCHS}" in finish(start(project))
    assert hashes(project) == undisturbed
