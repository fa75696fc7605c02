"""Fetching from a real repository over file://."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from cytopipe.core.io.folders import list_files
from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import fetch

PATHS = ["Dataset 1", "labels.csv"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class Repository:
    """A repository with two commits; the first has what the recipe names, the second changed it."""

    folder: Path
    url: str
    first: str


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    folder = tmp_path / "repository"
    (folder / "Dataset 1").mkdir(parents=True)
    git(folder, "init", "--quiet", "--template=")
    (folder / "Dataset 1" / "001.bmp").write_bytes(b"BM\r\n\0")
    (folder / "Dataset 1" / "[1]*.txt").write_bytes(b"lf\n")
    (folder / "labels.csv").write_bytes(b"1,2\r\n")
    (folder / "other").write_text("not asked for")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    first = git(folder, "rev-parse", "HEAD")
    (folder / "labels.csv").write_text("changed")
    git(folder, "commit", "--quiet", "-am", "two")
    return Repository(folder, folder.as_uri(), first)


@pytest.fixture
def get(repository: Repository, recipe: Callable[..., Path], target: Path, tmp_path: Path) -> Callable[..., Path]:
    def run(**keys: object) -> Path:
        made = {"kind": "git", "url": repository.url, "commit": repository.first, "paths": PATHS} | keys
        source = SimpleNamespace(kind="git", path=recipe(**made))
        fetch(source, target, dataset="cells", cache=tmp_path / "cache")
        return target

    return run


def check(target: Path) -> None:
    assert list_files(target) == ["Dataset 1/001.bmp", "Dataset 1/[1]*.txt", "labels.csv"]
    assert (target / "Dataset 1/001.bmp").read_bytes() == b"BM\r\n\0"
    assert (target / "Dataset 1/[1]*.txt").read_bytes() == b"lf\n"
    assert (target / "labels.csv").read_bytes() == b"1,2\r\n"


def test_the_named_paths_of_the_commit_arrive_and_nothing_else(
    get: Callable[..., Path], repository: Repository, tmp_path: Path
) -> None:
    git(repository.folder, "config", "uploadpack.allowFilter", "true")
    check(get())
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_server_without_filters_and_single_commits_is_fetched_whole(
    get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Version 0 of the protocol obeys uploadpack.allowAnySHA1InWant, which is off.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    with caplog.at_level("INFO", logger="cytopipe"):
        check(get())
    assert "fetching the whole repository" in caplog.text


def test_special_characters_of_a_path_are_no_patterns(get: Callable[..., Path]) -> None:
    assert list_files(get(paths=["Dataset 1/[1]*.txt"])) == ["Dataset 1/[1]*.txt"]


def test_line_ends_stay_whatever_the_users_settings(get: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("[core]\n\tautocrlf = true\n")
    check(get())


def test_the_repository_of_a_surrounding_git_hook_is_left_alone(
    get: Callable[..., Path], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = git(repository.folder, "config", "--list", "--local")
    monkeypatch.setenv("GIT_DIR", str(repository.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(repository.folder))
    check(get())
    assert git(repository.folder, "config", "--list", "--local") == before


def test_what_a_killed_run_left_is_no_obstacle(get: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "cache" / "git-cells" / ".git").mkdir(parents=True)
    (tmp_path / "cache" / "git-cells" / "labels.csv").write_text("stale")
    check(get())


def test_links_become_copies_and_may_not_lead_out(get: Callable[..., Path], repository: Repository) -> None:
    (repository.folder / "inside").symlink_to("labels.csv")
    (repository.folder / "outside").symlink_to("/etc/passwd")
    git(repository.folder, "add", ".")
    git(repository.folder, "commit", "--quiet", "-m", "links")
    commit = git(repository.folder, "rev-parse", "HEAD")
    target = get(commit=commit, paths=["inside", "labels.csv"])
    assert not (target / "inside").is_symlink()
    assert (target / "inside").read_text() == "changed"
    with pytest.raises(CytopipeError, match="the link outside leads out"):
        get(commit=commit, paths=["outside"])


def test_a_commit_that_is_not_there_is_named(get: Callable[..., Path], repository: Repository) -> None:
    with pytest.raises(CytopipeError, match=f"{repository.url} has no commit {'0' * 39}1"):
        get(commit="0" * 39 + "1")


def test_a_path_that_is_not_there_is_named(get: Callable[..., Path], repository: Repository) -> None:
    with pytest.raises(CytopipeError, match=f"commit {repository.first} has no path 'Dataset 3'"):
        get(paths=["labels.csv", "Dataset 3"])


def test_a_repository_that_is_not_there_is_named_with_gits_reason(get: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(CytopipeError) as caught:
        get(url=(tmp_path / "nowhere").as_uri())
    assert "git fetch failed for file://" in caught.value.what
    assert "does not appear to be a git repository" in caught.value.what
    assert "https://example.org/cells" in str(caught.value)


def test_a_machine_without_git_is_told_so(
    get: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CytopipeError, match="git is not installed"):
        get()


def test_a_submodule_is_refused_and_one_inside_a_folder_is_told(
    repository: Repository, get: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    git(repository.folder, "update-index", "--add", "--cacheinfo", f"160000,{repository.first},Dataset 1/sub")
    git(repository.folder, "commit", "--quiet", "-m", "three")
    commit = git(repository.folder, "rev-parse", "HEAD")
    with pytest.raises(CytopipeError, match="the path 'Dataset 1/sub' is a submodule, which is not fetched"):
        get(commit=commit, paths=["Dataset 1/sub"])
    get(commit=commit, paths=["Dataset 1"])
    assert "Dataset 1/sub is a submodule" in caplog.text
