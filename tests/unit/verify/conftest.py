"""A project of git and DVC whose three stages have run, and were committed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from committed_project import STAGES, Project
from cytopipe import paths
from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.processor import X86_64_V3


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Project:
    folder = tmp_path_factory.mktemp("verify")
    project = Project(
        folder / "project",
        {
            "DVC_GLOBAL_CONFIG_DIR": str(folder / "settings"),
            "DVC_SYSTEM_CONFIG_DIR": str(folder / "settings"),
            "DVC_SITE_CACHE_DIR": str(folder / "settings/dvc"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
    )
    project.root.mkdir()
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.run("dvc", "init", "--quiet")
    shutil.copy(root / "workflow/presets/tiny.yaml", project.root / paths.PARAMS)
    project.write("dvc.yaml", yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    project.write(".gitignore", "/.cytopipe/\n/data/\n/models/\n/results/\n")
    for name in STAGES:
        project.write(f"src/{name}.py", name)
    for path in ("data/raw/a.png", "data/raw/b/c.png", "models/net", "results/report.html"):
        project.write(path, path)
    project.write_metrics()
    project.finish()
    project.commit()
    return project


@pytest.fixture
def project(template: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in [name for name in os.environ if name.startswith("GIT_")]:  # of a hook that runs these tests
        monkeypatch.delenv(name)
    for name, value in template.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    shutil.copytree(template.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", template.environment)


@pytest.fixture
def machine() -> Machine:
    """A machine with AVX-512."""
    return Machine(
        architecture="x86_64",
        processor="One",
        features=(*sorted(X86_64_V3), "avx512f"),
        caches={"L1": "32K"},
        cores=2,
        cpu="native",
        threads=2,
        gpu=None,
        system="Linux",
        libc="glibc 2.36",
        python="3.11.2",
        packages={"numpy": "2.4", "torch": "2.14"},
    )


@pytest.fixture
def older(machine: Machine) -> Machine:
    """Another machine, without AVX-512."""
    return machine.model_copy(update={"processor": "Two", "features": tuple(sorted(X86_64_V3))})
