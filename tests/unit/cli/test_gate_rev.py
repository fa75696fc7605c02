"""`cytopipe gate --rev` in a git and DVC repository with one stage that writes the results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

from fixture_types import Cytopipe, LeaveResults

RESULTS = "results/classifiers/masks"
DVC_YAML = {
    "stages": {
        "measure": {
            "cmd": "python -c \"import shutil; shutil.copytree('made', '.', dirs_exist_ok=True)\"",
            "deps": ["made"],
            "outs": [f"{RESULTS}/predictions.csv", f"{RESULTS}/details.json", "data/organized/cells/manifest.csv"],
        }
    }
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave_results: LeaveResults) -> Path:
    """The current folder; on the branch `main` and in results/, all 40 test images are right."""
    settings = {
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path / "settings"),
        "DVC_SYSTEM_CONFIG_DIR": str(tmp_path / "settings"),
        "DVC_SITE_CACHE_DIR": str(tmp_path / "settings/dvc"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for name in [name for name in os.environ if name.startswith("GIT_")]:  # of a hook that runs these tests
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    call("git", "init", "--quiet", "--initial-branch=main")
    call("dvc", "init", "--quiet")
    (root / "dvc.yaml").write_text(yaml.safe_dump(DVC_YAML))
    run_pipeline([4] * 10, leave_results)
    commit()
    return root


def call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"


def commit() -> None:
    call("git", "add", "-A")
    call("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "state")


def run_pipeline(right: list[int], leave_results: LeaveResults) -> None:
    """`dvc repro` with a classifier that gets these numbers of images right in the groups."""
    leave_results(Path("made"), right)
    shutil.copy("made/params.yaml", "params.yaml")
    call("dvc", "repro", "--quiet")


def verdicts(result: Result) -> dict[str, str]:
    return {check["metric"]: check["verdict"] for check in json.loads(result.stdout)["checks"]}


def test_a_run_is_compared_with_a_revision_without_a_checkout(
    repository: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("### Metrics against `main`: passed\n")

    call("git", "switch", "--quiet", "-c", "change")
    run_pipeline([3] * 10, leave_results)
    commit()
    shutil.rmtree(".dvc/tmp")
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 1
    assert "-0.2500 (-0.250 to -0.250)" in result.stdout and "**worse**" in result.stdout
    assert "4 of 7 metrics failed" in result.stderr
    assert verdicts(cytopipe("gate", "--rev", "main", "--json", "--tolerance", "0.25"))["accuracy"] == "ok"
    assert cytopipe("gate", "--rev", "HEAD").exit_code == 0
    assert set(verdicts(cytopipe("gate", "--rev", "HEAD~1", "--json")).values()) == {"worse", "ok"}

    run_pipeline([4] * 10, leave_results)
    assert set(verdicts(cytopipe("gate", "--rev", "change", "--json")).values()) == {"better", "ok"}


def test_a_drop_in_one_group_is_within_noise(repository: Path, cytopipe: Cytopipe, leave_results: LeaveResults) -> None:
    run_pipeline([0] + [4] * 9, leave_results)
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 0
    assert "-0.1000 (-0.326 to +0.126)" in result.stdout and "within noise" in result.stdout


def test_what_is_gone_fails_and_what_is_new_is_listed(
    repository: Path, cytopipe: Cytopipe, leave_results: LeaveResults
) -> None:
    shutil.rmtree(RESULTS)
    leave_results(Path(), [4] * 10, name="fresh")
    result = cytopipe("gate", "--rev", "main", "--json")
    assert result.exit_code == 1
    found = {(Path(check["file"]).parent.name, check["verdict"]) for check in json.loads(result.stdout)["checks"]}
    assert found == {("masks", "no such file"), ("fresh", "new")}


def test_other_test_images_fail(repository: Path, cytopipe: Cytopipe, leave_results: LeaveResults) -> None:
    leave_results(Path(), [4] * 10, pixels="b")
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 1
    assert "cannot be compared; compare with a revision that was tested on the same images" in result.stdout


def test_outputs_that_are_in_no_cache_are_an_error_that_says_what_to_do(repository: Path, cytopipe: Cytopipe) -> None:
    shutil.rmtree(".dvc/cache")
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 1
    assert f"{RESULTS}/details.json: the output of main is in neither DVC's cache nor a remote" in result.stderr
    assert "dvc fetch" in result.stderr and "dvc repro" in result.stderr
    assert result.stdout == ""


def test_a_remote_stands_in_for_the_cache(repository: Path, cytopipe: Cytopipe) -> None:
    call("dvc", "remote", "add", "--default", "store", str(repository.parent / "store"))
    commit()
    call("dvc", "push", "--quiet")
    shutil.rmtree(".dvc/cache")
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 0, result.stderr


def test_a_revision_that_tells_nothing_is_an_error_that_says_why(repository: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("gate", "--rev", "none")
    assert result.exit_code == 1
    assert "git knows no revision 'none'" in result.stderr and "git fetch" in result.stderr

    Path("dvc.lock").unlink()
    commit()
    result = cytopipe("gate", "--rev", "HEAD")
    assert result.exit_code == 1
    assert "HEAD has no results" in result.stderr and "dvc.lock" in result.stderr

    Path("dvc.yaml").write_text("stages: [")
    commit()
    result = cytopipe("gate", "--rev", "HEAD")
    assert result.exit_code == 1
    assert "DVC cannot read HEAD" in result.stderr

    Path("dvc.yaml").unlink()
    commit()
    result = cytopipe("gate", "--rev", "HEAD")
    assert result.exit_code == 1
    assert "HEAD has no dvc.yaml" in result.stderr


def test_a_folder_without_git_is_an_error(
    repository: Path, cytopipe: Cytopipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = repository.parent / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 1
    assert "not a project of git and DVC" in result.stderr


def test_a_folder_that_is_in_no_cache_is_one_error(repository: Path, cytopipe: Cytopipe) -> None:
    """A stage's output may be a whole folder, of which the cache must hold the list."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text())
    stages["stages"]["measure"]["outs"] = ["results", "data/organized/cells"]
    Path("dvc.yaml").write_text(yaml.safe_dump(stages))
    call("git", "rm", "-r", "--quiet", "--cached", "results", "data")  # their .gitignore
    call("dvc", "repro", "--quiet")
    commit()
    assert cytopipe("gate", "--rev", "main").exit_code == 0
    shutil.rmtree(".dvc/cache")
    shutil.rmtree(".dvc/tmp")
    result = cytopipe("gate", "--rev", "main")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: results: the output of main is in neither DVC's cache nor a remote")
    assert len(result.stderr.splitlines()) == 2
