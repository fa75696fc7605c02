"""Where projects and images lie: odd names, other folders, other machines, other owners, and no place to write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from engine_projects import Project
from small_projects import cells, parameters, small, stage, template

ODD = ["a?b", "100% #1", "zellen für ü 細胞", "it's (1) & [x]"]
MORE = ["$x;y", "a,b=c@d+e~", "%20%3F", "-rf", "a: b"]
TRACKED = {"enabled": True, "experiment": "my cells"}
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return template(tmp_path_factory.mktemp("template") / "project")


def runs(project: Project) -> list[str]:
    """The runs in the project's MLflow database, with those that waited for it."""
    project.run("cytopipe", "sync")
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        return sorted(f"{name} {status}" for name, status in database.execute("select name, status from runs"))


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ODD)
def test_a_project_below_an_odd_name(original: Project, tmp_path: Path, name: str) -> None:
    project = small(original, tmp_path / name / "project", tracking=TRACKED)
    assert project.dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]
    assert runs(project) == ["download@mine FINISHED", "organize@mine FINISHED"]
    assert "build_tensors@mine" in project.dry("build_tensors@mine")
    assert {path.name for path in tmp_path.iterdir()} == {name}  # no file in a part of the name
    assert {path.name for path in (tmp_path / name).iterdir()} >= {"project", "cells"}


def test_images_below_odd_names(original: Project, tmp_path: Path) -> None:
    """One project, and every name in its turn."""
    project = small(original, tmp_path / "project")
    for name in [*ODD, *MORE]:
        source = cells(tmp_path / "sources" / name / "my cells")
        (project.folder / "params.yaml").write_text(parameters(str(source)), encoding="utf-8")
        assert project.dvc("repro", "download@mine") == ["download@mine"], name
        assert len(list((project.folder / "data/raw/mine/files").rglob("*.png"))) == 24
        if name in ODD:
            assert project.dry("download@mine") <= {"download@mine"}, name  # no fault; it trusts DVC's outputs


@pytest.mark.parametrize("place", ["source", "project"])
def test_braces_are_refused_by_name(original: Project, tmp_path: Path, place: str) -> None:
    odd, plain = tmp_path / "a{b}", tmp_path / "plain"
    project = small(original, (plain if place == "source" else odd) / "project")
    said = project.run("cytopipe", "preset", "own-images", "--archive", str(cells(odd / "cells")), status=1)
    assert "holds '{' or '}'" in said and "rename that folder" in said
    if place == "project":
        assert "holds '{' or '}'" in project.run("python", "workflow/check_project.py", status=1)


def test_an_experiment_in_a_temporary_folder_finds_images_outside(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    project.run("cytopipe", "preset", "own-images", "--archive", "../cells", "--force")
    assert f"path: {tmp_path}/cells" in (project.folder / "params.yaml").read_text()
    (project.folder / "params.yaml").write_text(parameters(str(tmp_path / "cells"), tracking=TRACKED))
    project.commit()
    project.dvc("repro", "organize@mine")
    project.commit()
    said = project.run("dvc", "exp", "run", "--temp", "-S", "datasets.mine.split.seed=1", "organize@mine")
    assert "Ran experiment" in said
    assert runs(project).count("organize@mine FINISHED") == 2  # in the workspace's database


def test_a_queued_experiment_needs_untracked_images_by_name_and_preset_says_so(
    original: Project, tmp_path: Path
) -> None:
    project = small(original, tmp_path / "project")
    cells(project.folder / "my cells")
    said = project.run("cytopipe", "preset", "own-images", "--archive", "my cells", "--force")
    assert "`dvc exp run --temp` and `--queue` need also: --copy-paths 'my cells'" in said
    (project.folder / "params.yaml").write_text(parameters("my cells"))
    project.run("git", "commit", "-qam", "mine")
    seed = ("-S", "datasets.mine.split.seed=1", "organize@mine")
    project.run("dvc", "exp", "run", "--queue", "--copy-paths", "my cells", *seed)
    assert "Ran experiment" in project.run("dvc", "exp", "run", "--run-all")


def test_a_worktree_and_a_submodule(original: Project, tmp_path: Path) -> None:
    main = small(original, tmp_path / "main")
    main.run("git", "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "mine")
    tree = Project(tmp_path / "tree")
    assert tree.dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]
    tree.commit()
    assert "Ran experiment" in tree.run("dvc", "exp", "run", "-S", "datasets.mine.split.seed=1", "organize@mine")
    outer = Project(tmp_path / "outer")
    outer.folder.mkdir()
    outer.run("git", "init", "-q")
    outer.run("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(main.folder), "inner")
    assert Project(outer.folder / "inner").dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]


def test_a_colleague_pulls_a_run_whose_images_are_not_on_her_machine(original: Project, tmp_path: Path) -> None:
    first = small(original, tmp_path / "first/project")
    first.run("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    first.dvc("repro", "organize@mine")
    first.commit()
    first.run("dvc", "push", "-q")
    shutil.rmtree(tmp_path / "first/cells")
    first.run("git", "clone", "-q", str(first.folder), str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    second.run("dvc", "pull", "-q", "organize@mine", "download@mine")
    said = second.run("python", "workflow/check_project.py", status=1)
    assert f"params.yaml: datasets.mine.source.path: there is no file or folder '{tmp_path}/first/cells'" in said
    assert "`dvc repro --allow-missing` goes on without it" in said
    assert second.dvc("repro", "--allow-missing", "organize@mine") == []
    second.edit_params("datasets.mine.split.seed", 3)
    assert second.dvc("repro", "--allow-missing", "organize@mine") == ["organize@mine"]
    by_hand = stage(second, "download")
    assert by_hand.returncode == 1 and "datasets.mine.source.path" in by_hand.stderr


@pytest.mark.skipif(not ROOT, reason="only root may give a folder away")
def test_a_project_of_another_user(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    subprocess.run(["chown", "-R", "65534", str(project.folder)], check=True)
    assert project.dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]
    said = project.run("cytopipe", "preset", "tiny", status=1)
    assert "git refuses this folder, which belongs to another user" in said
    assert f"git config --global --add safe.directory {project.folder}" in said and "holds edits" not in said
    trusting = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    allowed = subprocess.run(
        ["cytopipe", "preset", "tiny"], cwd=project.folder, env=project.environment | trusting, check=False
    )
    assert allowed.returncode == 0


def test_a_project_that_was_downloaded_as_a_zip(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    shutil.rmtree(project.folder / ".git")
    init = "run `git init && git add -A && git commit -m start` here"
    assert init in project.run("python", "workflow/check_project.py", status=1)
    assert init in project.run("snakemake", "-n", "organize@mine", status=1)
    assert stage(project, "download").returncode == stage(project, "organize").returncode == 0
    assert init in project.run("cytopipe", "preset", "tiny", "--force")
    project.run("git", "init", "-q")
    project.commit()
    assert "git" not in project.run("cytopipe", "preset", "demo", "--force")
    project.run("python", "workflow/check_project.py")


def test_a_project_whose_dvc_needs_no_git(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    shutil.rmtree(project.folder / ".git")
    project.run("dvc", "config", "--local", "core.no_scm", "true")
    project.run("python", "workflow/check_project.py")
    assert project.dvc("repro", "organize@mine") == ["download@mine", "organize@mine"]


def test_a_source_that_may_only_be_read(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    for path in sorted((tmp_path / "cells").rglob("*"), reverse=True):
        path.chmod(0o444 if path.is_file() else 0o555)
    (tmp_path / "cells").chmod(0o555)
    for _ in range(2):  # the second removes what the first wrote
        assert stage(project, "download").returncode == 0
    for folder in (tmp_path / "cells", *(tmp_path / "cells").iterdir()):
        folder.chmod(0o755)


def in_a_mount(project: Project, mounts: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with mounts of its own; the test is skipped where that is not allowed."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    return subprocess.run(
        ["unshare", "-m", "bash", "-c", f"{mounts} && {command}"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_project_that_may_only_be_read(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    done = in_a_mount(
        project,
        'mount --bind "$PWD" "$PWD" && mount -o remount,ro,bind "$PWD" && cd "$PWD"',
        "python stages/download.py mine",
    )
    assert done.returncode == 1
    assert "the disk can only be read\n  -> copy the project to a folder that may be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project")
    (tmp_path / "project/data").mkdir(exist_ok=True)
    done = in_a_mount(project, "mount -t tmpfs -o size=16k tmpfs data", "python stages/download.py mine")
    assert done.returncode == 1
    assert "the disk is full\n  -> make room on that disk" in done.stderr and "Traceback" not in done.stderr


STAGES = ["download", "organize", "train_segmenter", "generate_masks", "build_tensors", "train_classifier", "evaluate"]
ITEMS = {"train_segmenter": "threshold", "train_classifier": "c", "evaluate": "c"}


def test_nothing_is_written_outside_the_project(original: Project, tmp_path: Path) -> None:
    project = small(original, tmp_path / "project", tracking=TRACKED)
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    images = names_in(tmp_path / "cells")
    for name in STAGES:
        done = stage(project, name, ITEMS.get(name, "mine"), HOME=str(home), TMPDIR=str(temporary))
        assert done.returncode == 0, done.stderr
    assert names_in(home) == names_in(temporary) == set()
    assert names_in(tmp_path / "cells") == images
    assert {path.name for path in tmp_path.iterdir()} == {"project", "cells", "home", "temporary", "settings"} - (
        set() if (tmp_path / "settings").exists() else {"settings"}
    )


@pytest.mark.parametrize(
    "environment",
    [{"HOME": None}, {"HOME": "/nowhere/at/all"}, {"TMPDIR": "/nowhere/at/all"}, {"LANG": "C", "LC_ALL": "C"}],
    ids=lambda one: " ".join(f"{key}={value}" for key, value in one.items()),
)
def test_a_home_a_temporary_folder_or_a_language_that_is_not_there(
    original: Project, tmp_path: Path, environment: dict[str, str | None]
) -> None:
    project = small(original, tmp_path / "project", source=str(cells(tmp_path / "zellen für ü")), tracking=TRACKED)
    for name in STAGES[:3]:
        done = stage(project, name, ITEMS.get(name, "mine"), **environment)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_a_temporary_folder_with_a_long_name(original: Project, tmp_path: Path) -> None:
    """Processes listen at addresses of 107 characters in the temporary folder."""
    long = tmp_path / ("long" * 30)
    long.mkdir()
    runtime = {"device": "cpu", "cpu": "native", "num_threads": 1, "num_workers": 2}
    project = small(original, tmp_path / "project", runtime=runtime)
    for name in STAGES[:2]:
        assert stage(project, name, TMPDIR=str(long)).returncode == 0


def test_a_user_id_without_a_name(original: Project, tmp_path: Path) -> None:
    if not ROOT or shutil.which("setpriv") is None:
        pytest.skip("only root may become another user")
    project = small(original, tmp_path / "project")
    for name in STAGES[:2]:
        assert stage(project, name).returncode == 0
    keep = "+dac_override,+dac_read_search"
    become = [
        "setpriv",
        "--reuid=12345",
        "--regid=12345",
        "--clear-groups",
        f"--inh-caps={keep}",
        f"--ambient-caps={keep}",
    ]
    outside = {"USER", "LOGNAME", "LNAME", "USERNAME", "HOME"}
    for home in ({"HOME": "/"}, {}):
        done = subprocess.run(
            [*become, "python", "stages/train_segmenter.py", "threshold"],
            cwd=project.folder,
            env={key: value for key, value in project.environment.items() if key not in outside} | home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
