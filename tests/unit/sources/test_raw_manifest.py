from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import write_raw_manifest


def test_every_file_is_listed_with_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "files" / "b c").mkdir(parents=True)
    (tmp_path / "files" / "b c" / "1.bmp").write_bytes(b"one")
    (tmp_path / "files" / "a.csv").write_bytes(b"")
    assert write_raw_manifest(tmp_path / "manifest.csv", tmp_path / "files") == 2
    assert (tmp_path / "manifest.csv").read_bytes().decode().split("\n") == [
        "path,bytes,sha256",
        f"a.csv,0,{hashlib.sha256(b'').hexdigest()}",
        f"b c/1.bmp,3,{hashlib.sha256(b'one').hexdigest()}",
        "",
    ]


def test_files_are_sorted_by_path(tmp_path: Path) -> None:
    names = [f"{number * 7 % 50:02d}/a" for number in range(50)]
    for name in names:
        (tmp_path / "files" / name).parent.mkdir(parents=True)
        (tmp_path / "files" / name).touch()
    write_raw_manifest(tmp_path / "manifest.csv", tmp_path / "files")
    lines = (tmp_path / "manifest.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == sorted(names)


def test_no_files_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "files" / "empty").mkdir(parents=True)
    with pytest.raises(CytopipeError, match="the source holds no files"):
        write_raw_manifest(tmp_path / "manifest.csv", tmp_path / "files")
    assert not (tmp_path / "manifest.csv").exists()
