"""Copies of this project with the preset tiny, run by both engines once for all tests and workers.

A conftest.py that imports `finished` has the fixture; those of several folders share one run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = "tests/baselines/tiny.record.json"  # `python tests/renew_baselines.py` writes it
MINUTES = 60
OUTPUTS = ("data", "models", "results")
LEFTOVERS = {".snakemake_timestamp", ".gitignore"}
# All that a run may see of the outside: no tracking server, no engine's settings, no git identity.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        outside = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        settings = self.folder.parent / "settings"
        return outside | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "DVC_GLOBAL_CONFIG_DIR": str(settings),
            "DVC_SYSTEM_CONFIG_DIR": str(settings),
            "DVC_SITE_CACHE_DIR": str(settings / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "XDG_CONFIG_HOME": str(settings),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{role}_{part}": "nobody@nowhere" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
            },
        }

    @property
    def log(self) -> Path:
        """Output of the last command that was started."""
        return self.folder.with_suffix(".log")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Begin a command that writes to the log."""
        with self.log.open("w") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, *command: str, status: int = 0) -> str:
        """The output, both streams, of a command that must end with this status."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=10 * MINUTES,
            check=False,
        )
        assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def dvc(self, *arguments: str) -> list[str]:
        """The stages that `dvc repro`, or another command of DVC, ran."""
        return re.findall(r"Running stage '([^']+)'", self.run("dvc", *arguments))

    def dry(self, *arguments: str) -> set[str]:
        """The stages that Snakemake would run."""
        output = self.run("snakemake", "-n", *arguments)
        return set(re.findall(r"^rule (\S+):$", output, re.MULTILINE)) - {"all"}

    def commit(self) -> str:
        """Commit everything; returns the commit's hash."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", "state")
        return self.run("git", "rev-parse", "HEAD").strip()

    def sums(self) -> dict[str, str]:
        """SHA-256 of every file of every output."""
        files = (path for name in OUTPUTS for path in sorted((self.folder / name).rglob("*")))
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and path.name not in LEFTOVERS
        }

    def edit_params(self, key: str, value: object) -> None:
        """Set one parameter, named by dots."""
        file = self.folder / "params.yaml"
        values = yaml.safe_load(file.read_text())
        *above, last = key.split(".")
        section = values
        for part in above:
            section = section[part]
        section[last] = value
        file.write_text(yaml.safe_dump(values, sort_keys=False))

    def copy(self, folder: Path) -> Project:
        """A copy with all outputs, caches and times."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


@dataclass(frozen=True)
class Finished:
    """Two fresh copies, each run to the end by one engine; tests read them and change copies."""

    dvc: Project
    snakemake: Project


def fresh(folder: Path) -> Project:
    """Tracked and new files of this project, with the preset tiny, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if source.exists():  # one may be deleted and not yet committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    (folder / "dvc.lock").unlink(missing_ok=True)
    shutil.copy(folder / "workflow/presets/tiny.yaml", folder / "params.yaml")
    project = Project(folder)
    project.run("git", "init", "--quiet")
    project.commit()
    return project


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Both engines at once, one core each; the first worker that comes runs them, the other waits and shares."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "engines"
    shared.mkdir(exist_ok=True)
    projects = Finished(Project(shared / "dvc"), Project(shared / "snakemake"))
    with locked(shared / "lock"):
        if not (shared / "done").exists():
            for project in (projects.dvc, projects.snakemake):
                shutil.rmtree(project.folder, ignore_errors=True)  # of a worker that failed here
                fresh(project.folder)
            by_dvc = projects.dvc.start("dvc", "repro")
            by_snakemake = projects.snakemake.start("snakemake", "--cores", "2")
            assert by_dvc.wait(10 * MINUTES) == 0, projects.dvc.log.read_text()
            assert by_snakemake.wait(10 * MINUTES) == 0, projects.snakemake.log.read_text()
            (shared / "done").touch()
    return projects
