"""Which archive a file is, by its content, and what to do with those that are not read."""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

from cytopipe.core.io.archive_streams import HeaderTooLargeError, TarStream, open_tar_stream
from cytopipe.errors import CytopipeError

MAGIC = {
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "rar": (b"Rar!\x1a\x07",),
}
ZSTD = b"\x28\xb5\x2f\xfd"
SUFFIXES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
_PART = re.compile(r"\.(zip|7z|rar|tar|tgz|gz|bz2|xz|zst)\.\d{2,3}$|\.(z|r)\d{2}$|\.part\d+\.rar$", re.IGNORECASE)
_SPANNED = b"PK\x07\x08"
UNPACK = "unpack it with its own program and name the folder instead"


def archive_format(path: Path) -> str | None:
    """Return "zip", "7z", "rar", "tar" or "tar.zst" by a file's content; None when it is no archive.

    A file that is compressed but holds no tar, such as `labels.csv.gz`, is no archive.
    """
    with Path(path).open("rb") as file:
        head = file.read(8)
    for name, magics in MAGIC.items():
        if head.startswith(magics):
            return name
    try:
        if head.startswith(ZSTD):
            with open_zstd(Path(path)) as stream:
                return "tar.zst" if _begins_as_tar(TarStream(stream)) else None
        with open_tar_stream(Path(path)) as opened:
            return "tar" if _begins_as_tar(opened) else None
    except (EOFError, OSError, zlib.error, lzma.LZMAError, MemoryError, ValueError, zstd_error()):
        return None  # compressed, and broken before the first tar header ends


def _begins_as_tar(stream: TarStream) -> bool:
    try:
        tarfile.open(fileobj=stream, mode="r:").close()
    except HeaderTooLargeError:
        return True  # whoever unpacks it says what is wrong
    except tarfile.TarError:
        return False
    return True


def is_archive_name(name: str) -> bool:
    """Whether a file's name is that of an archive, or of a part of one."""
    return name.lower().endswith(SUFFIXES) or bool(_PART.search(name))


def not_read(path: Path) -> CytopipeError:
    """The error for a file that is no archive, or one of a kind that is not read."""
    with path.open("rb") as file:
        head = file.read(8)
    if is_part(path) or head.startswith(_SPANNED):
        return a_part(path)
    if head.startswith(MAGIC["rar"]):
        return CytopipeError("this is a RAR archive, which is not read: zip, tar and 7z are", where=path, hint=UNPACK)
    return CytopipeError(
        "this is not a complete zip, tar or 7z archive",
        where=path,
        hint="download it again, or unpack it with its own program and name the folder instead",
    )


def a_part(path: Path) -> CytopipeError:
    """The error for one part of an archive that is split over several files."""
    return CytopipeError(
        "this is one part of an archive in several parts",
        where=path,
        hint="unpack all parts together with their own program (7-Zip opens the first one) and name the folder instead",
    )


def is_part(path: Path) -> bool:
    """Whether a file is a part of a split archive, by its name or by the parts that lie beside it."""
    return bool(_PART.search(path.name)) or any(
        path.with_name(f"{path.stem}{suffix}").exists() for suffix in (".z01", ".Z01")
    )


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # of Python 3.14
    except ImportError:
        from backports import zstd
    return zstd


def open_zstd(path: Path, mode: str = "rb") -> IO[bytes]:
    """Open a file that Zstandard compressed."""
    stream: IO[bytes] = _zstd().open(path, mode)
    return stream


def zstd_error() -> type[Exception]:
    """The exception for damaged data of Zstandard."""
    error: type[Exception] = _zstd().ZstdError
    return error
