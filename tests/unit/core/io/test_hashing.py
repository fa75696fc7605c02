from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from cytopipe.core.io.hashing import hash_tree, sha256_bytes, sha256_file
from cytopipe.errors import CytopipeError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example B.1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x" / "b").mkdir(parents=True)
    (tmp_path / "x" / "a.txt").write_bytes(b"abc")
    (tmp_path / "x" / "b" / "c.txt").write_bytes(b"abc")
    return tmp_path / "x"


def test_bytes_and_file_have_the_published_hash(folder: Path) -> None:
    assert sha256_bytes(b"abc") == ABC
    assert sha256_file(folder / "a.txt") == ABC


def test_a_file_hashes_as_its_content(folder: Path) -> None:
    assert hash_tree(folder / "a.txt") == ABC


def test_a_folder_hashes_as_its_sorted_paths_and_contents(folder: Path) -> None:
    listing = f"a.txt\0{ABC}\nb/c.txt\0{ABC}\n"
    assert hash_tree(folder) == hashlib.sha256(listing.encode()).hexdigest()


def test_content_and_names_count(folder: Path) -> None:
    before = hash_tree(folder)
    (folder / "a.txt").write_bytes(b"abd")
    changed = hash_tree(folder)
    (folder / "a.txt").write_bytes(b"abc")
    (folder / "a.txt").rename(folder / "d.txt")
    assert len({before, changed, hash_tree(folder)}) == 3


def test_times_modes_empty_folders_and_what_engines_leave_do_not_count(folder: Path) -> None:
    before = hash_tree(folder)
    os.utime(folder / "a.txt", (1, 1))
    (folder / "a.txt").chmod(0o600)
    (folder / "empty").mkdir()
    (folder / ".snakemake_timestamp").touch()
    assert hash_tree(folder) == before


def test_links_count_as_what_they_lead_to(folder: Path, tmp_path: Path) -> None:
    before = hash_tree(folder)
    (folder / "a.txt").rename(tmp_path / "elsewhere")
    (folder / "a.txt").symlink_to(tmp_path / "elsewhere")
    assert hash_tree(folder) == before


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no such file or folder"):
        hash_tree(tmp_path / "nothing")
