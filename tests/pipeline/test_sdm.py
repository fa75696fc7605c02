"""What `snakemake --sdm` offers: a container for each stage, and no environments of conda."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine_projects import Project
from s3_store import Shared
from small_projects import small, template

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("snakemake")]
# In Apptainer's place, which Debian does not have: notes the image, and runs the command on this machine.
STAND_IN = """#!/bin/sh
case "$1" in --version) echo "apptainer version 1.3.0"; exit;; esac
while [ "$1" != "${1%.sif}" ] || [ "${1%.sif}" = "$1" ]; do case "$1" in *.sif) break;; esac; shift; done
echo "$1" >> "$NOTES"
shift
exec "$@"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small(template(tmp_path / "template"), tmp_path / "project")


def test_a_container_is_used_when_asked_for_and_never_else(project: Project, tmp_path: Path) -> None:
    notes, programs = tmp_path / "notes", tmp_path / "bin"
    programs.mkdir()
    for name in ("apptainer", "singularity"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    (project.folder / "cytopipe.sif").touch()
    path = os.pathsep.join((str(programs), project.environment["PATH"]))
    asked = Shared(project.folder, {"PATH": path, "NOTES": str(notes)})
    asked.run("snakemake", "--cores", "1", "download@mine")
    assert not notes.exists() and asked.dry("download@mine") == set()
    plain = asked.sums()
    # Snakemake runs it again, as a container is other software; the bytes are the same.
    asked.run("snakemake", "--sdm", "apptainer", "--cores", "1", "download@mine")
    assert Path(notes.read_text().strip()).name == "cytopipe.sif"
    assert asked.sums() == plain


def test_conda_is_refused_with_what_takes_its_place(project: Project) -> None:
    said = project.run("snakemake", "-n", "--sdm", "conda", status=1)
    assert "--sdm conda is not offered" in said and "--sdm apptainer" in said
    assert "Traceback" not in said
