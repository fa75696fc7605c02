"""What the engines need of a project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cytopipe.core.pipeline.project import check_project, lacks_git, untracked_inside, untrusted
from cytopipe.errors import CytopipeError


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "workflow/phantoms").mkdir(parents=True)
    shutil.copytree(root / "workflow/phantoms", folder / "workflow/phantoms", dirs_exist_ok=True)
    shutil.copy(root / "workflow/presets/tiny.yaml", folder / "params.yaml")
    (folder / ".git").mkdir()
    return folder


def test_a_whole_project_passes(project: Path) -> None:
    check_project(project)


def test_git_is_found_in_a_parent_or_done_without(project: Path) -> None:
    (project / ".git").rmdir()
    assert lacks_git(project)
    (project.parent / ".git").touch()  # of a worktree or a submodule
    assert not lacks_git(project)
    (project.parent / ".git").unlink()
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n['remote \"a\"']\n    url = /a%20b\n")
    assert lacks_git(project)
    (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert not lacks_git(project)
    (project / ".dvc/config.local").write_text("no section\n")
    assert lacks_git(project)


def test_a_missing_source_and_git_are_named(project: Path) -> None:
    shutil.rmtree(project / "workflow")
    with pytest.raises(CytopipeError, match=r"datasets\.tiny\.source\.path: there is no file.*\n.*--allow-missing"):
        check_project(project)
    (project / ".git").rmdir()
    with pytest.raises(CytopipeError, match=r"no git repository.*\n  -> run `git init"):
        check_project(project)


def test_braces_are_refused(project: Path) -> None:
    with pytest.raises(CytopipeError, match=r"holds '\{' or '\}'"):
        check_project(project.rename(project.with_name("a{b}")))


def test_what_lies_inside_and_is_not_tracked(tmp_path: Path) -> None:
    for name in ("in/tracked/a", "in/untracked/a", "in/by_dvc/a", "outside/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    inside = tmp_path / "in"
    (inside / "by_dvc.dvc").touch()
    assert untracked_inside(inside / "tracked", inside) == ""  # no repository: nobody knows
    subprocess.run(["git", "init", "-q", str(inside)], check=True)
    subprocess.run(["git", "add", "tracked"], cwd=inside, check=True)
    assert untracked_inside(inside / "untracked", inside) == "untracked"
    assert [
        untracked_inside(path, inside) for path in (inside / "tracked", inside / "by_dvc", tmp_path / "outside")
    ] == [
        "",
        "",
        "",
    ]
    assert not untrusted(inside)
