"""Hostile, corrupt and encrypted archives."""

from __future__ import annotations

import io
import random
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from cytopipe.core.io import unpacker
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.io.hashing import hash_tree
from cytopipe.errors import CytopipeError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "in" / "target").mkdir(parents=True)
    return tmp_path / "in" / "target"


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, to, size, 0o644
    return info


def make_tar(archive: Path, *members: tarfile.TarInfo, mode: str = "w") -> None:
    with tarfile.open(archive, mode) as opened:  # type: ignore[call-overload]  # mode is computed
        for info in members:
            opened.addfile(info, io.BytesIO(bytes(info.size)))


def make_zip(archive: Path, **files: bytes) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)


def make_7z(archive: Path, **files: bytes) -> None:
    with py7zr.SevenZipFile(archive, "w") as opened:
        for i, data in enumerate(files.values()):
            opened.writestr(data, f"member{i}")
        # py7zr refuses to write such names, but not to write a header that holds them
        for info, name in zip(opened.header.files_info.files, files, strict=True):
            info["filename"] = name


ESCAPES = ["../evil", "a/../../evil", "{tmp_path}/evil", "..\\evil", "C:\\evil"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["tar", "zip", "7z"])
def test_names_that_lead_out_are_refused(kind: str, name: str, archive: Path, target: Path) -> None:
    name = name.format(tmp_path=archive.parent)
    if kind == "tar":
        make_tar(archive, member("good", size=1), member(name, size=1))
    else:
        {"zip": make_zip, "7z": make_7z}[kind](archive, **{"good": b"1", name: b"2"})
    with pytest.raises(CytopipeError, match=r"archive: the member .* outside of the target folder"):
        extract_archive(archive, target)
    assert not any(path.name == "evil" for path in archive.parent.rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("to", ["../../outside", "/etc/passwd", "a/../../outside"])
def test_tar_links_that_lead_out_are_refused(kind: bytes, to: str, archive: Path, target: Path) -> None:
    (target.parent.parent / "outside").write_text("secret")
    make_tar(archive, member("link", kind, to))
    with pytest.raises(CytopipeError, match="the link 'link' leads out"):
        extract_archive(archive, target)


def test_nothing_is_written_through_a_link_to_a_folder(archive: Path, target: Path) -> None:
    make_tar(archive, member("link", tarfile.SYMTYPE, "."), member("link/evil", size=1))
    with pytest.raises(CytopipeError, match="the link 'link' leads to no file"):
        extract_archive(archive, target)
    assert not any(path.is_symlink() for path in target.rglob("*"))


def test_zip_and_7z_links_that_lead_out_are_refused(archive: Path, target: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(link, "../../outside")
    with pytest.raises(CytopipeError, match="the link 'link' leads out"):
        extract_archive(archive, target)
    (target.parent / "link").symlink_to("../outside")
    (target.parent.parent / "outside").touch()
    with py7zr.SevenZipFile(archive, "w") as seven:
        seven.write(target.parent / "link", "link")
    with pytest.raises(CytopipeError, match="the link 'link' leads out"):
        extract_archive(archive, target)


def test_links_in_a_circle_are_refused(archive: Path, target: Path) -> None:
    make_tar(archive, member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "a"))
    with pytest.raises(CytopipeError, match="leads to no file"):
        extract_archive(archive, target)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind: bytes, archive: Path, target: Path) -> None:
    make_tar(archive, member("null", kind))
    with pytest.raises(CytopipeError, match="the member 'null' is a special file"):
        extract_archive(archive, target)


def test_a_name_that_is_a_file_and_a_folder_is_a_fault_of_the_archive(archive: Path, target: Path) -> None:
    make_tar(archive, member("a", size=1), member("a/b", size=1))
    with pytest.raises(CytopipeError, match="truncated, corrupt"):
        extract_archive(archive, target)


def test_two_members_of_one_name_are_refused_where_the_reader_renames_them(archive: Path, target: Path) -> None:
    make_7z(archive, **{"a": b"1", "./a": b"2"})
    with pytest.raises(CytopipeError, match="two members have the name"):
        extract_archive(archive, target)


def make_gz_of_zeros(archive: Path, **files: bytes) -> None:
    make_tar(archive, *(member(name, size=len(data)) for name, data in files.items()), mode="w:gz")


BOMBS = pytest.mark.parametrize("make", [make_zip, make_gz_of_zeros, make_7z], ids=["zip", "tar.gz", "7z"])


@BOMBS
def test_archives_above_the_size_limit_are_refused(make: Callable[..., None], archive: Path, target: Path) -> None:
    make(archive, bomb=bytes(3_000_000))
    with pytest.raises(CytopipeError, match="unpacks to more than 2,000,000 bytes"):
        extract_archive(archive, target, max_bytes=2_000_000)
    written = sum(path.stat().st_size for path in target.rglob("*"))
    assert written <= (2_000_000 if make is make_gz_of_zeros else 0)  # zip and 7z declare their size


@BOMBS
def test_archives_that_grow_absurdly_are_refused(
    make: Callable[..., None], archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(archive, bomb=bytes(3_000_000))
    extract_archive(archive, target)  # small ones may: blank masks do
    monkeypatch.setattr(unpacker, "RATIO_FROM_BYTES", 2_000_000)
    with pytest.raises(CytopipeError, match="decompression bomb"):
        extract_archive(archive, target)


@BOMBS
def test_archives_with_too_many_members_are_refused(make: Callable[..., None], archive: Path, target: Path) -> None:
    make(archive, a=b"1", b=b"2", c=b"3")
    with pytest.raises(CytopipeError, match="more than 2 members"):
        extract_archive(archive, target, max_files=2)


def test_a_zip_that_lies_about_its_size_writes_no_more_than_it_says(archive: Path, target: Path) -> None:
    make_zip(archive, bomb=bytes(3_000_000))
    data = archive.read_bytes().replace((3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(CytopipeError, match="truncated, corrupt"):
        extract_archive(archive, target)
    assert (target / "bomb").stat().st_size <= 10


def test_an_encrypted_zip_is_refused_clearly(archive: Path, target: Path) -> None:
    make_zip(archive, a=b"1")
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(CytopipeError, match=r"'a' is encrypted\n.*password"):
        extract_archive(archive, target)


@pytest.mark.parametrize("header", [False, True])
def test_an_encrypted_7z_is_refused_clearly(header: bool, archive: Path, target: Path) -> None:
    with py7zr.SevenZipFile(archive, "w", password="x", header_encryption=header) as opened:
        opened.writestr(b"1", "a")
    with pytest.raises(CytopipeError, match=r"is encrypted\n.*password"):
        extract_archive(archive, target)


def packed(kind: str, archive: Path) -> bytes:
    """Bytes of an archive of 12 files that do not compress."""
    noise = random.Random(0)
    files = {f"d/{i}": noise.randbytes(700 + i) for i in range(12)}
    if kind == "zip":
        make_zip(archive, **files)
    elif kind == "7z":
        make_7z(archive, **files)
    else:
        with tarfile.open(archive, f"w:{kind}") as opened:  # type: ignore[call-overload]  # mode is computed
            for name, data in files.items():
                opened.addfile(member(name, size=len(data)), io.BytesIO(data))
    return archive.read_bytes()


@pytest.mark.parametrize("kind", ["zip", "7z", "", "gz", "bz2", "xz"])
def test_truncated_archives_are_refused_wherever_they_end(kind: str, archive: Path, target: Path) -> None:
    whole = packed(kind, archive)
    # tar pads with zeros after its end mark: nothing is lost with these
    size = len(whole.rstrip(b"\0")) if kind == "" else len(whole)
    for end in (*range(1, 64, 3), *range(64, size, size // 40)):
        archive.write_bytes(whole[:end])
        with pytest.raises(CytopipeError, match=r"archive: (the archive is truncated|this is not a complete)"):
            extract_archive(archive, target)


@pytest.mark.parametrize("kind", ["zip", "7z", "gz", "bz2", "xz"])
def test_one_flipped_bit_is_found_or_harmless(kind: str, archive: Path, target: Path) -> None:
    whole = packed(kind, archive)
    extract_archive(archive, target)
    expected, noise = hash_tree(target), random.Random(1)
    refused = 0
    for i in range(40):
        broken = bytearray(whole)
        broken[noise.randrange(len(whole))] ^= 1 << noise.randrange(8)
        archive.write_bytes(broken)
        (target / str(i)).mkdir()
        try:
            extract_archive(archive, target / str(i))
        except CytopipeError:
            refused += 1
        else:
            assert hash_tree(target / str(i)) == expected
    assert refused > 30


def test_a_full_disk_is_not_blamed_on_the_archive(archive: Path, target: Path) -> None:
    make_zip(archive, big=random.Random(0).randbytes(300_000))
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from cytopipe.core.io.archives import extract_archive\n"
        "extract_archive(sys.argv[1], sys.argv[2])"
    )
    command = [sys.executable, "-c", script, str(archive), str(target)]
    error = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert error.splitlines()[-1] == "OSError: [Errno 27] File too large"
