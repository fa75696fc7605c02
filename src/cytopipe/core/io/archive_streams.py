"""Headers of untrusted tars and zips, bounded before `tarfile` and `zipfile` allocate what they declare."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cytopipe.core.io.memory import MIB

HEADER_BYTES = MIB  # of one member of a tar: its long name, its extended header, its map of holes
_PACKERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
}
_END, _END_SIZE = b"PK\x05\x06", 22  # of a zip: its directory's place, and a comment of at most 65,535 bytes
_END64, _LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _ENTRY_SIZE = b"PK\x01\x02", 46


class HeaderTooLargeError(Exception):
    """A member's header holds more than HEADER_BYTES."""


class TarStream(io.RawIOBase):
    """The bytes of a tar, of which one header may take HEADER_BYTES.

    `tarfile` reads a whole extended header at once, whatever size it declares, and 4 GiB of zeros fit into a gzip of
    4 MiB. Skipping what a member holds is no reading: `tarfile` seeks.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left: int | None = HEADER_BYTES

    def next_header(self) -> None:
        """From here on a header is read."""
        self._left = HEADER_BYTES

    def content(self) -> None:
        """From here on the content of a member is read, which its reader bounds."""
        self._left = None

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does.

        Raises:
            HeaderTooLargeError: this would be more than a header may hold.
        """
        if self._left is not None:
            if size < 0 or size > self._left:
                raise HeaderTooLargeError(f"the header of a member holds more than {HEADER_BYTES:,} bytes")
            self._left -= size
        return self._stream.read(size)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek in the uncompressed bytes."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Position in the uncompressed bytes."""
        return self._stream.tell()


@contextmanager
def open_tar_stream(path: Path) -> Iterator[TarStream]:
    """Open a tar that is plain or compressed by gzip, bzip2 or xz, as its first bytes say."""
    with path.open("rb") as file:
        head = file.read(512)
    packed = head[257:262] != b"ustar"  # a plain one may begin with any name, such as BZh.png
    opener = next((packer for magic, packer in _PACKERS.items() if packed and head.startswith(magic)), None)
    with opener(path) if opener else path.open("rb") as stream:
        yield TarStream(stream)


def count_zip_members(path: Path, most: int) -> int:
    """Count the members of a zip as `count_entries` does."""
    with path.open("rb") as file:
        return count_entries(file, most)


def count_entries(file: IO[bytes], most: int) -> int:
    """Count the entries in a zip's directory, in little memory and at most up to `most` + 1.

    `zipfile` makes an object of about a kilobyte of each before it says how many there are. What a zip declares is not
    believed: `zipfile` does not believe it either.

    Returns:
        The number, or where the directory is short enough, the most that it can hold; where it is broken, the number
        up to there, and `zipfile` says what is wrong.
    """
    size = file.seek(0, io.SEEK_END)
    begin, length = _directory(file, size)
    if length // (_ENTRY_SIZE + 1) <= most:
        return length // (_ENTRY_SIZE + 1)
    file.seek(begin)
    found, left = 0, length
    while found <= most and left >= _ENTRY_SIZE:
        entry = file.read(_ENTRY_SIZE)
        if len(entry) < _ENTRY_SIZE or not entry.startswith(_ENTRY):
            break
        rest = sum(struct.unpack_from("<3H", entry, 28))  # name, extra field, comment
        file.seek(rest, io.SEEK_CUR)
        found, left = found + 1, left - _ENTRY_SIZE - rest
    return found


def _directory(file: IO[bytes], size: int) -> tuple[int, int]:
    """Begin and length of a zip's directory; zeros where it has none."""
    tail_at = max(0, size - _END_SIZE - 0xFFFF - 20)
    file.seek(tail_at)
    tail = file.read()
    at = len(tail) - _END_SIZE  # without a comment; the same bytes may stand in it, or in one of its numbers
    if at < 0 or not tail.startswith(_END, at) or not tail.endswith(b"\0\0"):
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        return 0, 0
    length = struct.unpack_from("<L", tail, at + 12)[0]
    end = tail_at + at
    if at >= 20 and tail[at - 20 : at - 16] == _LOCATOR64:
        place = end - 20 - 56  # where `zipfile` looks for it
        file.seek(max(0, place))
        record = file.read(56)
        if len(record) == 56 and record.startswith(_END64):
            end, length = place, struct.unpack_from("<Q", record, 40)[0]
    length = min(length, end)
    return end - length, length
