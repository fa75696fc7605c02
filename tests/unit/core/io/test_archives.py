from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from cytopipe.core.io.archive_formats import archive_format
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.io.folders import list_files
from cytopipe.core.io.hashing import hash_tree
from cytopipe.errors import CytopipeError

FILES = ["Dataset 1/001.bmp", "Dataset 1/empty", "labels.csv"]


def pack_zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for item in sorted(folder.rglob("*")):
            opened.write(item, item.relative_to(folder))


def pack_tar(mode: str) -> Callable[[Path, Path], None]:
    def pack(folder: Path, archive: Path) -> None:
        with tarfile.open(archive, mode) as opened:  # type: ignore[call-overload]  # mode is computed
            opened.add(folder, "")

    return pack


def pack_7z(folder: Path, archive: Path) -> None:
    with py7zr.SevenZipFile(archive, "w") as opened:
        for item in sorted(folder.rglob("*")):
            opened.write(item, item.relative_to(folder).as_posix())


PACKERS = {
    "zip": (pack_zip, "zip"),
    "tar": (pack_tar("w"), "tar"),
    "tar.gz": (pack_tar("w:gz"), "tar"),
    "tar.bz2": (pack_tar("w:bz2"), "tar"),
    "tar.xz": (pack_tar("w:xz"), "tar"),
    "7z": (pack_7z, "7z"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x" / "Dataset 1").mkdir(parents=True)
    (tmp_path / "x" / "Dataset 1" / "001.bmp").write_bytes(bytes(range(256)) * 500)
    (tmp_path / "x" / "Dataset 1" / "empty").touch()
    (tmp_path / "x" / "labels.csv").write_text("1,2\r\n")
    (tmp_path / "x" / "labels.csv").chmod(0o4777)
    return tmp_path / "x"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("kind", PACKERS)
def test_every_format_is_known_by_its_content_and_unpacked(kind: str, folder: Path, target: Path) -> None:
    pack, name = PACKERS[kind]
    pack(folder, target.with_name("archive.dat"))
    assert archive_format(target.with_name("archive.dat")) == name
    assert extract_archive(target.with_name("archive.dat"), target).total == 0
    assert list_files(target) == FILES
    assert hash_tree(target) == hash_tree(folder)
    assert {path.stat().st_mode & 0o7133 for path in target.rglob("*") if path.is_file()} == {0}


@pytest.mark.parametrize("kind", PACKERS)
def test_junk_is_skipped_and_counted(kind: str, folder: Path, target: Path) -> None:
    (folder / "__MACOSX").mkdir()
    for name in ("__MACOSX/a.bmp", ".DS_Store", "Dataset 1/Thumbs.db", "Dataset 1/._001.bmp"):
        (folder / name).write_text("junk")
    PACKERS[kind][0](folder, target.with_name("archive"))
    assert extract_archive(target.with_name("archive"), target).counts == {"litter of macOS": 3, "litter of Windows": 1}
    assert list_files(target) == FILES


@pytest.mark.parametrize("kind", PACKERS)
def test_links_to_files_of_the_archive_become_copies(kind: str, folder: Path, target: Path) -> None:
    if kind == "zip":
        pack_zip(folder, target.with_name("archive"))
        link = zipfile.ZipInfo("Dataset 1/link")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(target.with_name("archive"), "a") as opened:
            opened.writestr(link, "../labels.csv")
    else:
        (folder / "Dataset 1" / "link").symlink_to("../labels.csv")
        PACKERS[kind][0](folder, target.with_name("archive"))
    extract_archive(target.with_name("archive"), target)
    assert not (target / "Dataset 1/link").is_symlink()
    assert (target / "Dataset 1/link").read_bytes() == b"1,2\r\n"


def test_hard_links_and_chains_of_links_become_copies(folder: Path, target: Path) -> None:
    (folder / "hard").hardlink_to(folder / "labels.csv")
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("hard")
    PACKERS["tar.gz"][0](folder, target.with_name("archive"))
    extract_archive(target.with_name("archive"), target)
    assert (target / "a").read_bytes() == (target / "hard").read_bytes() == b"1,2\r\n"


def test_backslashes_of_windows_archives_separate_folders(target: Path) -> None:
    with zipfile.ZipFile(target.with_name("a.zip"), "w") as opened:
        opened.writestr("images\\a\\1.png", b"1")
    extract_archive(target.with_name("a.zip"), target)
    assert list_files(target) == ["images/a/1.png"]


def test_progress_ends_at_the_declared_size(folder: Path, target: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    pack_zip(folder, target.with_name("a.zip"))
    extract_archive(target.with_name("a.zip"), target, progress=lambda *call: calls.append(call))
    assert calls[-1] == (256 * 500 + 5, 256 * 500 + 5)


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>"])
def test_other_files_are_refused_with_a_hint(content: bytes, target: Path) -> None:
    target.with_name("a.zip").write_bytes(content)
    with pytest.raises(CytopipeError, match=r"a\.zip: this is not a complete zip, tar or 7z archive\n.*unpack it"):
        extract_archive(target.with_name("a.zip"), target)


def test_a_compressed_file_that_is_no_tar_is_no_archive(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "labels.csv.gz", "wb") as file:
        file.write(b"id,class\n" * 1000)
    assert archive_format(tmp_path / "labels.csv.gz") is None


def test_a_missing_archive_is_named(target: Path) -> None:
    with pytest.raises(CytopipeError, match=r"nothing\.zip: no such file"):
        extract_archive(target.with_name("nothing.zip"), target)


def test_a_header_that_names_a_place_before_the_file_is_the_archives_fault(folder: Path, target: Path) -> None:
    archive = target.with_name("a.zip")
    pack_zip(folder, archive)
    content = bytearray(archive.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (2**32 - 2).to_bytes(4, "little")  # where the list of members begins
    archive.write_bytes(content)
    with pytest.raises(CytopipeError, match="truncated, corrupt or of an unknown kind"):
        extract_archive(archive, target)
