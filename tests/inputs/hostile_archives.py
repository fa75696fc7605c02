"""Archives that want to write elsewhere, read elsewhere, or take a machine's memory: name -> a writer of the file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import py7zr

Write = Callable[[Path], object]
MIB = 1 << 20
ESCAPES = (
    "../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png", "a\\..\\..\\x.png", "//host/x.png",
    "./../x.png", "a/./../../x.png", "..", "C:x.png",
)  # fmt: skip


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes, bytes, str], data: bytes = b"x") -> bytes:
    """A tar of members with a name, a type, contents and what they link to."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, content, to in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, to, len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def written(data: bytes) -> Write:
    """Writes these bytes."""
    return lambda path: path.write_bytes(data)


def escapes_of_zip() -> dict[str, Write]:
    return {name: written(zipped((name, b"x"))) for name in ESCAPES}


def escapes_of_tar() -> dict[str, Write]:
    return {name: written(tarred((name, tarfile.REGTYPE, b"x", ""))) for name in ESCAPES}


def escapes_of_7z() -> dict[str, Write]:
    def write(path: Path, name: str) -> None:
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.writestr(b"x", "a.png")
            archive.header.files_info.files[0]["filename"] = name  # py7zr refuses such names elsewhere

    return {name: partial(write, name=name) for name in ESCAPES}


def links_and_devices() -> dict[str, Write]:
    """Links out of the archive, links in circles, devices and pipes."""
    made: dict[str, Write] = {}
    for to in ("/etc/passwd", "../../secret.txt", "../../../../../../etc/passwd", "x.png"):
        for kind, word in ((tarfile.SYMTYPE, "symbolic"), (tarfile.LNKTYPE, "hard")):
            made[f"{word} to {to}"] = written(tarred(("x.png", kind, b"", to)))
        info = zipfile.ZipInfo("x.png")
        info.external_attr = 0o120777 << 16
        made[f"zip to {to}"] = written(zipped((info, to.encode())))
    for kind, word in ((tarfile.CHRTYPE, "char"), (tarfile.BLKTYPE, "block"), (tarfile.FIFOTYPE, "pipe")):
        made[word] = written(tarred(("x.png", kind, b"", "")))
    made["folder link"] = written(tarred(("d", tarfile.SYMTYPE, b"", "../.."), ("d/x.png", tarfile.REGTYPE, b"x", "")))
    return made


def headers_of_tar() -> dict[str, Write]:
    """Members whose header alone holds 256 MiB of zeros, packed into some kilobytes, and maps of holes."""

    def header(kind: bytes, size: int) -> bytes:
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, size
        return info.tobuf(tarfile.GNU_FORMAT)

    def pack(path: Path, head: bytes, size: int) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(head)
            for _ in range(size // MIB):
                file.write(bytes(MIB))

    made: dict[str, Write] = {}
    for kind in (b"x", b"g", b"L", b"K", b"X"):
        made[f"type {kind.decode()}"] = partial(pack, head=header(kind, 256 * MIB), size=256 * MIB)
        made[f"declared {kind.decode()}"] = written(header(kind, 8**11 - 1) + bytes(1024))
    sparse = b"0\n" * (16 * MIB)
    head = tarfile.TarInfo("x")
    head.size = len(sparse)
    head.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
    map_of_holes = str(8 * MIB).encode() + b"\n" + sparse
    made["map of holes"] = written(gzip.compress(head.tobuf(tarfile.PAX_FORMAT) + map_of_holes, 1))
    old = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    old[482] = 1  # the map goes on in the next block, which says so too
    more = bytearray(512)
    more[504] = 1
    made["endless map of holes"] = written(gzip.compress(bytes(old) + bytes(more) * (32 * MIB // 512), 1))
    return made


def many_members() -> dict[str, Write]:
    """Two million members and more, in the directory alone or in whole."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"

    def directory(number: int, said: int, tail: bytes = b"") -> bytes:
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, said, said, number * len(entry), 0, len(tail))
        return b"PK\x03\x04" + entry * number + end + tail

    return {
        "zip": written(directory(2_000_001, 0xFFFF)),
        "zip that says one": written(directory(2_000_001, 1, b"comment PK\x05\x06 in it")),
        "7z": lambda path: _of_7z(path, b"\x01\x05" + b"\xff" + struct.pack("<Q", 1 << 62)),
        "7z of ten million": lambda path: _of_7z(path, b"\x01\x05" + b"\xf0" + struct.pack("<L", 10_000_000)),
        "7z folders": lambda path: _of_7z(path, b"\x01\x04\x07\x0b" + b"\xf0" + struct.pack("<L", 1 << 31)),
    }


def _of_7z(path: Path, header: bytes) -> None:
    start = struct.pack("<QQL", 0, len(header), zlib.crc32(header))
    path.write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<L", zlib.crc32(start)) + start + header)


def bombs() -> dict[str, Write]:
    """Much from little: declared or not, nested, overlapping, or with a huge dictionary."""
    zeros = bytes(64 * MIB)
    info = bytearray(zipped(("a.png", b"x")))
    at = info.rfind(b"PK\x01\x02")
    info[at + 24 : at + 28] = struct.pack("<L", 0xFFFFFFF0)
    lies = bytes(info)
    inner = zipped(("a.png", zeros))
    for _ in range(4):
        inner = zipped(("inner.zip", inner))
    declared = tarfile.TarInfo("a.png")
    declared.size = 8**11 - 1
    head = declared.tobuf()
    hidden = tarfile.TarInfo("__MACOSX/a.png")
    hidden.size = 8**11 - 1
    preset = b"\x5d" + struct.pack("<L", 0xFFFFFFFF) + b"\xff" * 8 + bytes(64)
    return {
        "nested": written(inner),
        "lies": written(lies),
        "64 GiB in a tar": written(head + bytes(1024)),
        "litter of 8 GiB": written(gzip.compress(hidden.tobuf() + bytes(10_240))),
        "trailing zeros": written(gzip.compress(tarred(("a.png", tarfile.REGTYPE, b"x", "")) + zeros)),
        "dictionary of 4 GiB": written(preset),
        "xz": written(lzma.compress(zeros)),
        "bz2": written(bz2.compress(zeros, 1)),
    }


def repeated_names() -> dict[str, Write]:
    """The same name twice, names that differ in case or accent, and a file that is a folder too."""
    pairs = [("a.png", "A.png"), ("a/b.png", "A/b.png"), ("é.png", "e\u0301.png"), ("a", "a/b.png"), ("a/b.png", "a")]
    made = {f"{one} and {two}": written(zipped((one, b"x"), (two, b"y"))) for one, two in pairs}
    for one, two in pairs:
        members = [(name, tarfile.REGTYPE, b"x", "") for name in (one, two)]
        made[f"tar of {one} and {two}"] = written(tarred(*members))
    twice = bytearray(zipped(("a.png", b"x"), ("b.png", b"y")))
    made["twice"] = written(bytes(twice.replace(b"b.png", b"a.png")))
    return made


def damaged() -> dict[str, Write]:
    """Archives with flipped bytes and of random length; the same in every run."""
    draw = random.Random(0)
    wholes = {
        "zip": zipped(("a.png", bytes(99)), ("b/c.png", b"x" * 500)),
        "tar": tarred(("a.png", tarfile.REGTYPE, b"x" * 700, "")),
        "xz": lzma.compress(tarred(("a.png", tarfile.REGTYPE, b"x" * 700, ""))),
    }
    made: dict[str, Write] = {}
    for name, whole in wholes.items():
        for number in range(7):
            data = bytearray(whole[: draw.randrange(len(whole) // 2, len(whole) + 1)])
            for _ in range(6):
                data[draw.randrange(len(data))] = draw.randrange(256)
            made[f"{name} {number}"] = written(bytes(data))
    return made
