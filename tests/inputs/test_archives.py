"""Archives as people have them: what zip tools of every system write, and what they leave out."""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inflate64
import py7zr
import pytest

from cytopipe.core.io.archive_formats import open_zstd
from files_of_people import cell, names, save, table, tree
from organized import Outcome, organized

TWO = {"abnormal": 8, "normal": 8}
FLAT = {"csv": "labels.csv", "images": "images"}
Take = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ImageFolder of two classes with 8 images each."""
    return tree(tmp_path / "cells", names(TWO))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "cells.zip"


@pytest.fixture
def take(archive: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Take:
    """Organize the archive."""

    def run(source: Path = archive, names: str | None = None, **changes: Any) -> Outcome:
        named = {"kind": "archive", "path": str(source), **({"names": names} if names else {})}
        return organized(source, tmp_path / "work", caplog, source=named, **changes)

    return run


def listed(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    ]


def zipped(archive: Path, files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as opened:
        for name, data in files:
            opened.writestr(name, data)
    return archive


def raw_zip(
    archive: Path, files: list[tuple[bytes, bytes]], method: int = 0, flags: int = 0, in_utf8: bool = False
) -> Path:
    """A zip whose names are bytes as they are; method 9 is Deflate64; `in_utf8` adds names of GBK in UTF-8."""
    body, directory = b"", b""
    for name, data in files:
        packed = data
        if method == 9:
            deflater = inflate64.Deflater()
            packed = deflater.deflate(data) + deflater.flush()
        sizes = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
        common = struct.pack("<HHHHH", 20, flags, method, 0, 0x21) + sizes
        start, extra = len(body), b""
        if in_utf8:
            content = b"\x01" + struct.pack("<I", zlib.crc32(name)) + name.decode("gbk").encode()
            extra = struct.pack("<HH", 0x7075, len(content)) + content
        body += b"PK\x03\x04" + common + struct.pack("<HH", len(name), 0) + name + packed
        more = struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, start)
        directory += b"PK\x01\x02\x14\x00" + common + more + name + extra
    count = len(files)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    archive.write_bytes(body + directory + b"PK\x05\x06" + end)
    return archive


def tar(archive: Path, folder: Path, mode: str) -> None:
    with tarfile.open(archive, mode) as opened:  # type: ignore[call-overload]  # mode is a parameter
        opened.add(folder, folder.name)


def tar_zst(archive: Path, folder: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as opened:
        opened.add(folder, ".")
    with open_zstd(archive, "wb") as file:
        file.write(plain.getvalue())


def seven_zip(archive: Path, folder: Path) -> None:
    with py7zr.SevenZipFile(archive, "w") as opened:
        for name, data in listed(folder):
            opened.writestr(data, name)


PACKERS: dict[str, Callable[[Path, Path], object]] = {
    "zip": lambda archive, folder: zipped(archive, listed(folder)),
    "zip stored": lambda archive, folder: zipped(archive, listed(folder), zipfile.ZIP_STORED),
    "zip bzip2": lambda archive, folder: zipped(archive, listed(folder), zipfile.ZIP_BZIP2),
    "zip lzma": lambda archive, folder: zipped(archive, listed(folder), zipfile.ZIP_LZMA),
    "zip deflate64": lambda archive, folder: raw_zip(
        archive, [(name.encode(), data) for name, data in listed(folder)], method=9
    ),
    "zip with backslashes": lambda archive, folder: zipped(
        archive, [(name.replace("/", "\\"), data) for name, data in listed(folder)]
    ),
    "zip with dots": lambda archive, folder: zipped(archive, [(f"./{name}", data) for name, data in listed(folder)]),
    "tar.gz": lambda archive, folder: tar(archive, folder, "w:gz"),
    "tar.xz": lambda archive, folder: tar(archive, folder, "w:xz"),
    "tar.zst": tar_zst,
    "7z": seven_zip,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_every_packer_gives_the_same_images(kind: str, folder: Path, archive: Path, take: Take) -> None:
    PACKERS[kind](archive, folder)
    found = take(options={"images": "cells"} if kind in ("tar.gz", "tar.xz") else {})
    assert (found.refusal, found.classes) == ("", TWO)
    plain = {Path(row.source).name: row.sha256 for row in take(folder).rows}
    assert {Path(row.source).name: row.sha256 for row in found.rows} == plain


LITTER = [
    ("__MACOSX/abnormal/._c000.png", "litter of macOS"),
    ("abnormal/Thumbs.db", "litter of Windows"),
    ("abnormal/.ipynb_checkpoints/c000-checkpoint.png", "litter of Jupyter"),
    ("abnormal/@eaDir/c000.png/SYNOPHOTO_THUMB_M.jpg", "litter of a network drive"),
    (".hidden/c.png", "hidden files and folders (their names begin with a dot)"),
]


@pytest.mark.parametrize("kind", ["zip", "7z", "tar.zst", "zip with backslashes"])
def test_litter_in_an_archive_is_counted_by_reason(kind: str, folder: Path, archive: Path, take: Take) -> None:
    for name, _ in LITTER:
        save(folder / "x.png", cell(500))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "x.png", folder / name)
    PACKERS[kind](archive, folder)
    found = take()
    assert (found.refusal, found.classes) == ("", TWO)
    expected = {reason: {"count": 1, "first": name} for name, reason in LITTER}
    assert found.summary["files"]["left_out"] == dict(sorted(expected.items()))


CELLS = "细胞"  # "cell"
# encoding that the zip was written in; its stems; what the option says
ENCODINGS = [
    ("gbk", CELLS, "gbk"),
    ("gbk", CELLS, "GB18030"),
    ("cp932", "細胞ソ", "cp932"),  # the second byte of the last is a backslash
    ("big5", "細胞", "big5"),
    ("cp949", "세포", "cp949"),
    ("cp437", "Zelle_ä", "cp437"),
    ("cp850", "célula_ñ", "cp850"),
    ("cp866", "клетка", "cp866"),
    ("cp1252", "Zelle_ä", "cp1252"),
]


def labelled(stem: str, tmp_path: Path) -> tuple[list[tuple[str, bytes]], bytes]:
    """Names and contents of 16 images of one stem, and the table that names them."""
    files = []
    rows: list[tuple[str, str]] = [("image", "label")]
    for seed in range(16):
        name = f"{stem}_{seed:02}.png"
        files.append((f"images/{name}", save(tmp_path / "x.png", cell(seed)).read_bytes()))
        rows.append((name, ("normal", "abnormal")[seed % 2]))
    return files, table(tmp_path / "labels.csv", rows).read_bytes()


@pytest.mark.parametrize(("encoding", "stem", "option"), ENCODINGS)
def test_names_in_an_encoding_that_the_zip_does_not_say(
    encoding: str, stem: str, option: str, archive: Path, tmp_path: Path, take: Take
) -> None:
    files, rows = labelled(stem, tmp_path)
    raw_zip(archive, [(b"labels.csv", rows), *((name.encode(encoding), data) for name, data in files)])
    refusal = take(options=FLAT).refusal
    assert "cells.zip: the name of a member is in an encoding that the zip does not say; it reads '" in refusal
    assert "names: gbk}" in refusal
    if encoding != "cp437":
        assert f"'{files[0][0]}' in {encoding}" in refusal
    found = take(names=option, options=FLAT)
    assert (found.refusal, found.classes) == ("", TWO)
    assert found.sources == sorted(name for name, _ in files)


@pytest.mark.parametrize("kind", ["flag", "no flag", "Info-ZIP"])
def test_names_in_utf8_need_no_option(kind: str, archive: Path, tmp_path: Path, take: Take) -> None:
    files, rows = labelled(CELLS, tmp_path)
    if kind == "flag":
        zipped(archive, [("labels.csv", rows), *files])
    else:
        encoding = "gbk" if kind == "Info-ZIP" else "utf-8"
        packed = [(b"labels.csv", rows), *((name.encode(encoding), data) for name, data in files)]
        raw_zip(archive, packed, in_utf8=kind == "Info-ZIP")
    found = take(options=FLAT)
    assert (found.refusal, found.sources) == ("", sorted(name for name, _ in files))


def test_an_encoding_that_does_not_fit_is_refused(archive: Path, tmp_path: Path, take: Take) -> None:
    files, rows = labelled("Zelle_ä", tmp_path)
    raw_zip(archive, [(b"labels.csv", rows), *((name.encode("cp850"), data) for name, data in files)])
    refusal = take(names="utf-8", options=FLAT).refusal
    assert "the name of a member is not in utf-8; it reads 'images/Zelle_ä_00.png' in cp850" in refusal


@pytest.mark.parametrize("name", ["klingon", "base64", ""])
def test_an_encoding_that_does_not_exist_is_refused(name: str, folder: Path, tmp_path: Path, take: Take) -> None:
    from cytopipe.core.params import ArchiveSource

    with pytest.raises(ValueError, match="there is no encoding of text"):
        ArchiveSource(kind="archive", path=folder, names=name)


def test_names_of_a_tar_in_another_encoding(tmp_path: Path, take: Take) -> None:
    files, rows = labelled(CELLS, tmp_path)
    archive = tmp_path / "cells.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT, encoding="gbk") as opened:
        for name, data in [("labels.csv", rows), *files]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            opened.addfile(member, io.BytesIO(data))
    refusal = take(archive, options=FLAT).refusal
    assert "has a name in another encoding than UTF-8" in refusal
    assert "names: gbk" in refusal
    assert take(archive, names="gbk", options=FLAT).sources == sorted(name for name, _ in files)


def encrypted(archive: Path, folder: Path) -> None:
    raw_zip(archive, [(name.encode(), data) for name, data in listed(folder)], flags=1)


def encrypted_7z(archive: Path, folder: Path) -> None:
    with py7zr.SevenZipFile(archive, "w", password="secret") as opened:
        for name, data in listed(folder):
            opened.writestr(data, name)


def twice(archive: Path, folder: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(archive, [*listed(folder), ("normal/c008.png", b"another")])


def only_text(archive: Path, folder: Path) -> None:
    zipped(archive, [("a/readme.txt", b"see b"), ("b/readme.txt", b"see a")])


REFUSED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "encrypted": (encrypted, "is encrypted\n  -> unpack it with its password and name the folder instead"),
    "encrypted 7z": (encrypted_7z, "the archive is encrypted\n  -> unpack it with its password"),
    "unknown method": (
        lambda archive, folder: raw_zip(archive, [(b"a/1.png", b"x")], method=98),
        "the member 'a/1.png' is compressed with PPMd, which is not read\n  -> unpack it with its own program and name",
    ),
    "two members of one name": (twice, "two members have the name 'normal/c008.png'"),
    "rar": (lambda archive, _: archive.write_bytes(b"Rar!\x1a\x07\x00" + bytes(99)), "this is a RAR archive, which is"),
    "no member": (lambda archive, _: zipped(archive, []), "the source holds no files"),
    "no image": (only_text, "no image of this dataset: expected a folder of your own images"),
    "litter alone": (
        lambda archive, _: zipped(archive, [("__MACOSX/._a.png", b"x")]),
        "the source holds no files but these, which are left out: 1 x litter of macOS (first: __MACOSX/._a.png)",
    ),
    "a zip in a zip": (
        lambda archive, folder: zipped(archive, [("inner/cells.zip", zipped(archive, listed(folder)).read_bytes())]),
        "unpack the archive inside the source (inner/cells.zip) and name its folder",
    ),
    "a page of a web site": (
        lambda archive, _: archive.write_text("<html>Log in to download</html>"),
        "this is not a complete zip, tar or 7z archive\n  -> download it again",
    ),
    "a name of 300 bytes": (
        lambda archive, _: zipped(archive, [(f"a/{'x' * 296}.png", b"1")]),
        "has a name of more than 255 bytes\n  -> unpack it with its own program, shorten the name",
    ),
    "damaged Deflate64": (
        lambda archive, folder: archive.write_bytes(
            raw_zip(archive, [(b"a/1.png", bytes(range(256)))], method=9).read_bytes().replace(b"\x10\x11", b"!!", 1)
        ),
        "the archive is truncated, corrupt or of an unknown kind",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_unpacked_says_why(kind: str, folder: Path, archive: Path, take: Take) -> None:
    write, message = REFUSED[kind]
    write(archive, folder)
    assert message in take().refusal


@pytest.mark.parametrize("name", ["cells.zip.001", "cells.7z.002", "cells.z01", "cells.part1.rar", "cells.tar.gz.00"])
def test_a_part_of_an_archive_is_called_one(name: str, folder: Path, archive: Path, take: Take) -> None:
    whole = zipped(archive, listed(folder)).read_bytes()
    part = archive.with_name(name)
    part.write_bytes(whole[: len(whole) // 2] if "1" in name else whole[len(whole) // 2 :])
    refusal = take(part).refusal
    assert f"{name}: this is one part of an archive in several parts" in refusal
    assert "name the folder instead" in refusal


def test_the_last_part_is_known_by_those_beside_it(folder: Path, archive: Path, take: Take) -> None:
    whole = zipped(archive, listed(folder)).read_bytes()
    archive.with_name("cells.z01").write_bytes(whole[:5000])
    archive.write_bytes(whole[5000:])
    assert "cells.zip: this is one part of an archive in several parts" in take().refusal


@pytest.mark.parametrize("name", ["cells.zip.crdownload", "cells.zip.part"])
def test_a_download_that_was_not_finished_is_called_one(name: str, folder: Path, archive: Path, take: Take) -> None:
    part = archive.with_name(name)
    part.write_bytes(zipped(archive, listed(folder)).read_bytes()[:5000])
    assert f"{name}: this download was not finished\n  -> download it again" in take(part).refusal


def test_an_archive_beside_the_images_is_said(folder: Path, archive: Path, take: Take) -> None:
    inner = zipped(archive, listed(folder)).read_bytes()
    zipped(archive, [*listed(folder), ("more.zip", inner)])
    found = take()
    assert found.classes == TWO
    assert found.summary["files"]["left_out"] == {
        "archives inside the source: unpack them to read them": {"count": 1, "first": "more.zip"}
    }
    assert "more.zip" in found.log


def test_a_member_larger_than_a_block_of_deflate64(folder: Path, archive: Path, take: Take) -> None:
    big = save(folder.parent / "big.bmp", cell(3, side=500)).read_bytes()
    raw_zip(archive, [(name.encode(), data) for name, data in [*listed(folder), ("normal/big.bmp", big)]], method=9)
    found = take()
    assert (found.refusal, found.classes) == ("", TWO | {"normal": 9})
    assert (500, 500) in {(row.width, row.height) for row in found.rows}
