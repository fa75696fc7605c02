"""The profile of Kubernetes, without a cluster: what it would do, and the same jobs here with S3 between them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_projects import Project
from s3_store import BUCKET, CREDENTIALS, ObjectStore, Shared, object_store
from small_projects import small, template

PLUGINS = Path(sys.prefix) / "plugins"  # `make plugins`
NEEDED = ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_s3")
pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.xdist_group("snakemake"),
    pytest.mark.skipif(
        not all((PLUGINS / name).exists() or importlib.util.find_spec(name) for name in NEEDED),
        reason="Snakemake's plug-ins for Kubernetes and S3 are not installed: make plugins",
    ),
]
# As in pods, but for a common disk: what Snakemake itself needs to find its jobs' sources.
HERE = ("--executor", "local", "--cores", "1", "--shared-fs-usage", "persistence", "software-deployment", "sources",
        "source-cache", "--")  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    pytest.importorskip("moto", reason="moto is not installed: pip install -e .[dev,remote]")
    with object_store() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Shared:
    plain = small(template(tmp_path / "template"), tmp_path / "project")
    paths = os.pathsep.join((plain.environment["PYTHONPATH"], str(PLUGINS)))
    keys = {
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    return Shared(plain.folder, {**CREDENTIALS, **keys, "PYTHONPATH": paths})


def snakemake(project: Project, store: ObjectStore, *arguments: str) -> str:
    """What Snakemake says with the profile, on the store of the test."""
    place = ("--default-storage-prefix", f"s3://{BUCKET}/run", "--storage-s3-endpoint-url", store.url)
    return project.run("snakemake", "--workflow-profile", "kubernetes", *place, *arguments)


def test_the_profile_runs_stages_with_s3_between_them(project: Shared, store: ObjectStore, tmp_path: Path) -> None:
    planned = snakemake(project, store, "--dry-run", "organize@mine")
    assert re.findall(r"^rule (\S+):$", planned, re.MULTILINE) == ["download@mine", "organize@mine"]
    snakemake(project, store, *HERE, "organize@mine")
    assert "Nothing to be done" in snakemake(project, store, *HERE, "organize@mine")

    plain = Project(project.folder).copy(tmp_path / "plain")
    plain.run("git", "clean", "-qfdx")
    for stage in ("download", "organize"):
        plain.run("python", f"stages/{stage}.py", "mine")
    made = {name.removeprefix("run/"): store.read(name) for name in store.names("run/")}
    assert {name: content for name, content in made.items() if not name.endswith(".snakemake_timestamp")} == {
        name: (plain.folder / name).read_bytes() for name in plain.sums() if not name.endswith("README.md")
    }

    # A change is seen, also where the files are those of a pod, without their history.
    project.edit_params("datasets.mine.split.seed", 7)
    shutil.rmtree(project.folder / ".git")
    planned = snakemake(project, store, "--dry-run", "organize@mine")
    assert re.findall(r"^rule (\S+):$", planned, re.MULTILINE) == ["organize@mine"]
