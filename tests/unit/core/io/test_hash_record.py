"""HashRecord: an unchanged file is read once, a changed one always again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cytopipe.core.io import hash_record
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.hashing import hash_tree, sha256_file

OLD = 1_600_000_000_000_000_000  # ns, a time long ago


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    found: list[str] = []

    def read(path: Path) -> str:
        found.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(hash_record, "sha256_file", read)
    return found


def write(path: Path, text: str, changed: int = OLD) -> Path:
    path.write_text(text)
    os.utime(path, ns=(changed, changed))
    return path


def hashed(folder: Path, *paths: Path) -> list[str]:
    with HashRecord(folder / "state" / "hashes.sqlite") as record:
        return [record.sha256(path) for path in paths]


def test_an_unchanged_file_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    files = [write(tmp_path / name, name) for name in "ab"]
    first = hashed(tmp_path, *files)
    assert reads == ["a", "b"] and first == [sha256_file(path) for path in files]
    assert hashed(tmp_path, *files) == first and reads == ["a", "b"]
    files[0].rename(tmp_path / "c")
    assert hashed(tmp_path, tmp_path / "c") == first[:1] and reads == ["a", "b"]


def test_a_folder_is_hashed_as_without_a_record(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "x").mkdir()
    for name in "abc":
        write(tmp_path / "x" / name, name)
    for _ in range(2):
        with HashRecord(tmp_path / "hashes.sqlite") as record:
            assert hash_tree(tmp_path / "x", record.sha256) == hash_tree(tmp_path / "x")
    assert sorted(reads) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "changed"), [("new", OLD + 1), ("longer", OLD)], ids=["same size, other time", "other size, same time"]
)
def test_a_changed_file_is_read_again(tmp_path: Path, reads: list[str], text: str, changed: int) -> None:
    file = write(tmp_path / "a", "old")
    hashed(tmp_path, file)
    write(file, text, changed)
    assert hashed(tmp_path, file) == [sha256_file(file)] and reads == ["a", "a"]
    assert hashed(tmp_path, file) == [sha256_file(file)] and reads == ["a", "a"]


def test_another_file_in_its_place_is_read(tmp_path: Path, reads: list[str]) -> None:
    file = write(tmp_path / "a", "old")
    hashed(tmp_path, file)
    write(tmp_path / "b", "new").replace(file)
    assert hashed(tmp_path, file) == [sha256_file(file)] and reads == ["a", "a"]


def test_a_file_that_changed_just_now_is_not_recorded(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_record, "SETTLED_NS", 10**18)
    file = write(tmp_path / "a", "old", OLD)
    monkeypatch.setattr("time.time_ns", lambda: OLD + 5)
    assert hashed(tmp_path, file) == hashed(tmp_path, file) and reads == ["a", "a"]


def test_a_file_that_the_process_wrote_need_not_be_read(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "a").write_text("fresh")
    with HashRecord(tmp_path / "hashes.sqlite") as record:
        record.add(tmp_path / "a", sha256_file(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    with HashRecord(tmp_path / "hashes.sqlite") as record:
        assert record.sha256(tmp_path / "b") == sha256_file(tmp_path / "b")
    assert not reads


def test_two_records_at_a_time_keep_the_hashes_of_both(tmp_path: Path, reads: list[str]) -> None:
    files = [write(tmp_path / name, name) for name in "ab"]
    state = tmp_path / "hashes.sqlite"
    with HashRecord(state) as one, HashRecord(state) as two:
        one.sha256(files[0])
        two.sha256(files[1])
    with HashRecord(state) as record:
        assert [record.sha256(path) for path in files] == [sha256_file(path) for path in files]
    assert reads == ["a", "b"]


def test_a_damaged_record_is_replaced(tmp_path: Path, reads: list[str]) -> None:
    file = write(tmp_path / "a", "old")
    state = tmp_path / "hashes.sqlite"
    state.write_bytes(b"no database " * 100)
    for _ in range(2):
        with HashRecord(state) as record:
            assert record.sha256(file) == sha256_file(file)
    assert reads == ["a"]


def test_without_a_place_for_the_record_files_are_read(
    tmp_path: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "a", "old")
    (tmp_path / "record").mkdir()
    with HashRecord(tmp_path / "record") as record:
        assert record.sha256(file) == sha256_file(file)
    assert reads == ["a"] and "no hashes are known" in caplog.text


def test_a_file_from_the_future_is_always_read(tmp_path: Path, reads: list[str]) -> None:
    """Of a clock that was set back: a later change could have the same time."""
    file = write(tmp_path / "a", "first", changed=time.time_ns() + 3_600_000_000_000)
    assert hashed(tmp_path, file) == [sha256_file(file)]
    write(file, "other", changed=file.stat().st_mtime_ns)
    assert hashed(tmp_path, file) == [sha256_file(file)]
    assert reads == ["a", "a"]
