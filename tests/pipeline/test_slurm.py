"""The preset tiny as jobs and arrays of a real Slurm; jobs that are cancelled, past their time, out of memory."""

from __future__ import annotations

import dataclasses
import getpass
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engine_projects import MINUTES, Finished, Project, fresh
from kills import stage_of
from slurm_cluster import cluster, missing

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("snakemake"),
    pytest.mark.skipif(bool(missing()), reason=f"Slurm is not installed: no {', '.join(missing())}"),
]

# Seconds of waiting that a test need not have: the plug-in looks for the first time after 40 s, and for an account.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10", "--slurm-no-account")


@dataclass(frozen=True)
class OnSlurm(Project):
    """A project whose commands find the cluster."""

    cluster: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = super().environment
        # The cluster's programs first, and Python's own before the system's.
        first, _, rest = self.cluster["PATH"].partition(os.pathsep)
        return {**own, **self.cluster, "PATH": os.pathsep.join((first, own["PATH"], rest))}

    def submit(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin `snakemake` with the profile of clusters."""
        return self.start("snakemake", "--workflow-profile", "slurm", *QUICK, *arguments)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with cluster(tmp_path_factory.mktemp("slurm")) as variables:
        yield variables


@pytest.fixture
def project(snakemake_copy: Project, slurm: Mapping[str, str]) -> OnSlurm:
    """A finished project in which one training is to be done again."""
    shutil.rmtree(snakemake_copy.folder / "models/classifiers/masks")
    log_of(snakemake_copy).unlink()  # of the run that was finished
    return OnSlurm(snakemake_copy.folder, slurm)


def log_of(project: Project) -> Path:
    """The log of the training."""
    return project.folder / "logs/train_classifier@masks.log"


@contextmanager
def held_at(project: OnSlurm, text: str) -> Iterator[None]:
    """The training stands still in this block, which begins when its log holds a text: it costs no processor time."""
    log, deadline = log_of(project), time.monotonic() + 10 * MINUTES
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, f"no '{text}' in {project.log.read_text()}"
        time.sleep(0.05)
    (process,) = [one for one in psutil.process_iter() if is_training(one, project.folder)]
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def is_training(process: psutil.Process, folder: Path) -> bool:
    try:
        return stage_of(process) == "train_classifier@masks" and process.cwd() == str(folder)
    except psutil.Error:
        return False


def newest_state(project: OnSlurm) -> str:
    """State of the job that was submitted last."""
    return project.run("squeue", "--noheader", "--states=all", "--sort=-i", "--format=%T").split()[0]


def test_jobs_and_arrays_of_jobs_write_the_same_bytes(
    finished: Finished, slurm: Mapping[str, str], tmp_path: Path
) -> None:
    project = OnSlurm(fresh(tmp_path / "project").folder, slurm)
    status = project.submit("--config", "arrays=true", "--slurm-array-jobs", "all").wait(10 * MINUTES)
    output = project.log.read_text()
    assert status == 0, output
    assert "has been submitted with SLURM jobid" in output
    logs = project.folder / ".snakemake/slurm_logs"
    tasks = {
        stage: {file.stem.partition("_")[2] for file in (logs / f"rule_{stage}").glob("*_*.log")}
        for stage in ("train_classifier", "evaluate", "explain")  # stages of the three classifiers
    }
    # How many are ready at once, and so share an array, is a matter of seconds.
    assert all(tasks.values()) and any("2" in several for several in tasks.values()), tasks
    assert project.sums() == finished.snakemake.sums()
    assert project.run("git", "status", "--porcelain") == ""


def test_a_job_that_is_cancelled_or_past_its_time_says_so_and_goes_on_after_its_last_epoch(
    finished: Finished, project: OnSlurm
) -> None:
    training = "train_classifier@masks"
    running = project.submit("--retries", "0", training)
    with held_at(project, "epoch 3:"):
        project.run("scancel", "--user", getpass.getuser())
    assert running.wait(10 * MINUTES) == 1
    said = project.log.read_text()
    assert "SLURM status is: 'CANCELLED" in said
    assert f"logs/{training}.log" in said  # where the stage's own words are
    # It used the seconds that Slurm leaves between SIGTERM and SIGKILL.
    assert "interrupted; nothing half-written is left, finished epochs are kept" in log_of(project).read_text()
    assert not (project.folder / "models/classifiers/masks").exists()

    log_of(project).unlink()
    again = project.submit("--set-resources", f"{training}:runtime=attempt", "--retries", "1", training)
    with held_at(project, "resuming after epoch"):
        deadline = time.monotonic() + 5 * MINUTES
        while newest_state(project) == "RUNNING" and time.monotonic() < deadline:
            time.sleep(1)
    assert again.wait(10 * MINUTES) == 0, project.log.read_text()
    said = project.log.read_text()
    assert "SLURM status is: 'TIMEOUT" in said
    assert "Trying to restart job" in said
    done = re.search(r"resuming after epoch (\d+) of 10", log_of(project).read_text())
    assert done and int(done[1]) >= 3
    assert project.sums() == finished.snakemake.sums()


def test_a_job_that_needs_more_memory_gets_it(project: OnSlurm) -> None:
    project.edit_params("classifiers.masks.training.epochs", 2)
    least = "train_classifier@masks:mem_mb=100*attempt**4"
    status = project.submit("--set-resources", least, "--retries", "2", "train_classifier@masks").wait(10 * MINUTES)
    said = project.log.read_text()
    assert status == 0, said
    assert said.count("has been submitted with SLURM jobid") >= 2
    assert "Trying to restart job" in said
