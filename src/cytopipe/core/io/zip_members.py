"""Members of a zip: names in the encoding that they were written in, and Deflate64, which `zipfile` does not read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from cytopipe.core.io.unpacker import BLOCK

DEFLATE64 = 9
METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd",
}  # fmt: skip
READ = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, DEFLATE64})
# What systems write without a word, tried for the message; the first is Western Europe's of DOS.
GUESSES = ("cp850", "gbk", "cp932", "cp949", "big5", "cp866", "cp1252")
_UTF8_FLAG = 1 << 11
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP
_LOCAL_HEADER = 30  # bytes, before the name


class UnknownEncodingError(ValueError):
    """A member's name is neither ASCII nor said to be UTF-8, nor is it valid UTF-8."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self.name = name

    @property
    def readings(self) -> dict[str, str]:
        """The name in each encoding in which it is valid and can be printed."""
        found = {}
        for encoding in GUESSES:
            try:
                text = self.name.decode(encoding)
            except UnicodeDecodeError:
                continue
            if text.isprintable():
                found[encoding] = text
        return found


def member_name(member: zipfile.ZipInfo, encoding: str | None) -> str:
    """A member's name; `encoding` is that of names which are not ASCII and do not say what they are.

    Raises:
        UnknownEncodingError: such a name is not UTF-8 either, and no encoding is given, or it does not fit.
    """
    if member.flag_bits & _UTF8_FLAG or member.filename.isascii():
        return member.filename
    raw = member.filename.encode("cp437")  # as zipfile decoded it; the table is complete
    if (written := _unicode_path(member.extra, raw)) is not None:
        return written
    for guess in [encoding] if encoding else ["utf-8"]:  # macOS writes UTF-8 and does not say so
        try:
            return raw.decode(guess)
        except UnicodeDecodeError:
            continue
    raise UnknownEncodingError(raw)


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the extra field that Info-ZIP and WinZip write beside one in an old encoding."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            if int.from_bytes(content[1:5], "little") != zlib.crc32(raw):
                return None  # the member was renamed since
            try:
                return content[5:].decode()
            except UnicodeDecodeError:
                return None
    return None


def open_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member for reading.

    Raises:
        NotImplementedError: for a method of compression that is not read.
        zipfile.BadZipFile: for a damaged member, here or while it is read.
    """
    if member.compress_type != DEFLATE64:
        return opened.open(member)
    return io.BufferedReader(_Blocks(_inflate64(opened, member)))


def _inflate64(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    import inflate64  # here, because few archives need it

    file = opened.fp
    assert file is not None
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    if header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"Bad magic number for file header of {member.filename!r}")
    name, extra = struct.unpack_from("<HH", header, 26)
    file.seek(member.header_offset + _LOCAL_HEADER + name + extra)
    inflater = inflate64.Inflater()
    left, size, checksum = member.compress_size, 0, 0
    while left > 0 and (block := file.read(min(left, BLOCK >> 4))):
        left -= len(block)
        data = inflater.inflate(block)
        size, checksum = size + len(data), zlib.crc32(data, checksum)
        yield data
    if left or size != member.file_size or checksum != member.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")


class _Blocks(io.RawIOBase):
    """A stream of blocks of any size."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks, self._rest = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the stub's type is private
        while not self._rest:
            if (block := next(self._blocks, None)) is None:
                return 0
            self._rest = block
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
