"""The preset tiny as jobs of a real Slurm, and a job that needs more memory than it asked for."""

from __future__ import annotations

import dataclasses
import getpass
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine_projects import MINUTES, Finished, Project, fresh
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
    snakemake_copy.edit_params("classifiers.masks.training.epochs", 2)
    log_of(snakemake_copy).unlink()  # of the run that was finished
    return OnSlurm(snakemake_copy.folder, slurm)


def log_of(project: Project) -> Path:
    """The log of the training."""
    return project.folder / "logs/train_classifier@masks.log"


def await_text(project: Project, text: str) -> str:
    """The log of the training, as soon as it holds a text."""
    file, deadline = log_of(project), time.monotonic() + 10 * MINUTES
    while not (file.exists() and text in file.read_text()):
        assert time.monotonic() < deadline, f"no '{text}' in {project.log.read_text()}"
        time.sleep(0.1)
    return file.read_text()


def test_jobs_write_the_same_bytes(finished: Finished, slurm: Mapping[str, str], tmp_path: Path) -> None:
    project = OnSlurm(fresh(tmp_path / "project").folder, slurm)
    status = project.submit().wait(10 * MINUTES)
    output = project.log.read_text()
    assert status == 0, output
    assert "has been submitted with SLURM jobid" in output
    assert project.sums() == finished.snakemake.sums()
    assert project.run("git", "status", "--porcelain") == ""


def test_a_job_that_is_cancelled_says_so_and_goes_on_after_its_last_epoch(project: OnSlurm) -> None:
    project.edit_params("classifiers.masks.training.epochs", 2000)  # longer than it takes to cancel it
    training = ("--retries", "0", "train_classifier@masks")
    running = project.submit(*training)
    await_text(project, "epoch 3:")
    project.run("scancel", "--user", getpass.getuser())
    assert running.wait(10 * MINUTES) == 1
    said = project.log.read_text()
    assert "SLURM status is: 'CANCELLED" in said
    assert "logs/train_classifier@masks.log" in said  # where the stage's own words are
    assert not (project.folder / "models/classifiers/masks").exists()

    log_of(project).unlink()
    again = project.submit(*training)
    text = await_text(project, "resuming after epoch")
    project.run("scancel", "--user", getpass.getuser())
    assert again.wait(10 * MINUTES) == 1
    done = re.search(r"resuming after epoch (\d+) of 2000", text)
    assert done
    assert int(done[1]) >= 3


def test_a_job_that_needs_more_memory_gets_it(project: OnSlurm) -> None:
    least = "train_classifier@masks:mem_mb=100*attempt**4"
    status = project.submit("--set-resources", least, "--retries", "2", "train_classifier@masks").wait(10 * MINUTES)
    said = project.log.read_text()
    assert status == 0, said
    assert said.count("has been submitted with SLURM jobid") >= 2
    assert "Trying to restart job" in said
