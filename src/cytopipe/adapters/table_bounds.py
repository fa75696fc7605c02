"""How large a table may be, checked before it is unpacked or read: a workbook is a zip, which may hold a bomb."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cytopipe.core.io.archive_streams import count_entries
from cytopipe.core.io.memory import GIB, MIB, bounded_memory
from cytopipe.errors import CytopipeError

TABLE_BYTES = 512 * MIB  # of a file
PARTS_BYTES = GIB  # of all parts of a workbook, unpacked
MOST_PARTS = 10_000
MOST_MERGED = 1_000_000  # cells that merged areas cover
_READ_BYTES = 2 * GIB
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")
_HINT = "save the sheet as CSV UTF-8, with the rows and columns that hold the table"


def read_table_file(path: Path) -> bytes:
    """Contents of a table.

    Raises:
        CytopipeError: it is no file, or larger than TABLE_BYTES.
        OSError: it cannot be read.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode) and not S_ISDIR(found.st_mode):  # a pipe may never end
        raise CytopipeError("this is no file", where=path, hint="name a table: CSV or .xlsx")
    size = found.st_size
    if size > TABLE_BYTES:
        raise CytopipeError(f"the table has {size:,} bytes; at most {TABLE_BYTES:,} are read", where=path)
    return path.read_bytes()


@contextmanager
def bounded_workbook(data: bytes, path: Path) -> Iterator[None]:
    """Read a workbook within the block, in bounded memory.

    Raises:
        CytopipeError: its parts are too many or too large, merged areas cover too many cells, or it needs too much
            memory.
    """
    try:
        with bounded_memory(_READ_BYTES):
            _check(data, path)
            yield
    except MemoryError:
        raise CytopipeError(
            f"the Excel workbook needs more than {_READ_BYTES >> 30} GiB of memory", where=path, hint=_HINT
        ) from None


def check_parts(data: bytes, path: Path) -> None:
    """Count the parts of a zip before `zipfile` lists them.

    Raises:
        CytopipeError: they are more than MOST_PARTS.
    """
    if count_entries(io.BytesIO(data), MOST_PARTS) > MOST_PARTS:
        raise CytopipeError(f"the Excel workbook has more than {MOST_PARTS:,} parts", where=path, hint=_HINT)


def _check(data: bytes, path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > PARTS_BYTES:
            raise CytopipeError(
                f"the Excel workbook unpacks to more than {PARTS_BYTES:,} bytes", where=path, hint=_HINT
            )
        pages = (part for part in parts if part.filename.startswith("xl/worksheets/") and not part.is_dir())
        for text in _contents(archive, pages):
            covered = sum(_area(found) for found in _MERGED.findall(text))
            if covered > MOST_MERGED:
                raise CytopipeError(f"merged areas cover {covered:,} cells", where=path, hint=_HINT)


def _contents(archive: zipfile.ZipFile, parts: Iterable[zipfile.ZipInfo]) -> Iterator[bytes]:
    """Contents of the parts that can be read; openpyxl says what is wrong with the others."""
    for part in parts:
        try:
            yield archive.read(part)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
            continue


def _area(corners: tuple[bytes, bytes, bytes, bytes]) -> int:
    left, top, right, bottom = corners
    return max(1, _column(right) - _column(left) + 1) * max(1, int(bottom) - int(top) + 1)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number
