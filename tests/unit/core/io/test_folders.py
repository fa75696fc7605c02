from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cytopipe.core.io.folders import copy_file, copy_tree, list_files
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import is_junk
from cytopipe.errors import CytopipeError


def make(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["__MACOSX/a.png", "x/.DS_Store", "Thumbs.db", "x/._a.png", ".git/HEAD"])
def test_what_operating_systems_leave_is_junk(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize("name", ["a.png", "_a.png", "Thumbs.db.png", "MACOSX/a", "thumbs/a.png", "a.part.png"])
def test_other_names_are_not_junk(name: str) -> None:
    assert not is_junk(name)


def test_files_are_listed_sorted_and_through_links(tmp_path: Path) -> None:
    make(tmp_path / "out" / "c")
    make(tmp_path / "x" / "b" / "a")
    make(tmp_path / "x" / "B")
    (tmp_path / "x" / "link").symlink_to(tmp_path / "out")
    assert list_files(tmp_path / "x") == ["B", "b/a", "link/c"]


def test_a_link_to_a_folder_above_is_an_error_and_no_endless_walk(tmp_path: Path) -> None:
    make(tmp_path / "x" / "a")
    (tmp_path / "x" / "loop").symlink_to(tmp_path / "x")
    with pytest.raises(CytopipeError, match=r"loop: this link leads to a folder above"):
        list_files(tmp_path / "x")


def test_broken_links_and_pipes_are_errors_that_name_them(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(CytopipeError, match="a: this is a link that leads nowhere"):
        list_files(tmp_path)
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "b")
    with pytest.raises(CytopipeError, match="b: this is not a regular file"):
        list_files(tmp_path)


def test_a_copy_has_files_for_links_and_no_junk(tmp_path: Path) -> None:
    make(tmp_path / "x" / "a", "one")
    make(tmp_path / "x" / ".DS_Store")
    (tmp_path / "x" / "d").mkdir()
    (tmp_path / "x" / "d" / "link").symlink_to(make(tmp_path / "far", "three"))
    (tmp_path / "target").mkdir()
    calls: list[tuple[int, int | None]] = []
    copied, left_out = copy_tree(tmp_path / "x", tmp_path / "target", progress=lambda *call: calls.append(call))
    assert (copied, left_out.counts) == (2, {"litter of macOS": 1})
    assert list_files(tmp_path / "target") == ["a", "d/link"]
    assert not (tmp_path / "target/d/link").is_symlink()
    assert (tmp_path / "target/d/link").read_text() == "three"
    assert calls == [(3, 8), (8, 8)]


def test_a_confined_copy_refuses_links_that_lead_out(tmp_path: Path) -> None:
    make(tmp_path / "x" / "a")
    (tmp_path / "x" / "passwd").symlink_to("/etc/passwd")
    (tmp_path / "target").mkdir()
    with pytest.raises(CytopipeError, match="link passwd leads out"):
        copy_tree(tmp_path / "x", tmp_path / "target", confined=True)


def test_a_folder_is_not_copied_into_itself(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "target").mkdir()
    with pytest.raises(CytopipeError, match="copied into itself"):
        copy_tree(tmp_path, tmp_path / "target")


def test_a_folder_that_is_thrown_away_is_moved_and_its_links_are_copied(tmp_path: Path) -> None:
    files = {name: make(tmp_path / "x" / name, name).stat().st_ino for name in ("a", "b/c")}
    (tmp_path / "x" / "0").symlink_to("a")
    (tmp_path / "x" / "d").symlink_to("b")
    (tmp_path / "target").mkdir()
    assert copy_tree(tmp_path / "x", tmp_path / "target", consume=True) == (4, LeftOut())
    found = {path.relative_to(tmp_path / "target").as_posix(): path for path in (tmp_path / "target").rglob("*")}
    contents = {name: path.read_text() for name, path in found.items() if path.is_file()}
    assert contents == {"a": "a", "0": "a", "b/c": "b/c", "d/c": "b/c"}
    assert not any(path.is_symlink() for path in found.values())
    assert {name: found[name].stat().st_ino for name in files} == files


def test_a_copy_of_a_file_replaces_what_was_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 5000)
    (tmp_path / "target").write_bytes(b"longer" * 10**6)
    copy_file(source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_file_is_copied_where_file_systems_cannot_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_file(make(tmp_path / "source"), tmp_path / "target")
    assert (tmp_path / "target").read_text() == "x"
    monkeypatch.delattr(os, "copy_file_range")
    copy_file(make(tmp_path / "source", "y"), tmp_path / "target")
    assert (tmp_path / "target").read_text() == "y"
