"""Writing the members of an untrusted archive, with the checks that do not depend on its format."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from cytopipe.core.io.folders import Progress
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import litter_reason
from cytopipe.core.io.memory import GIB
from cytopipe.errors import CytopipeError

MAX_BYTES = 50 * GIB
MAX_FILES = 2_000_000
# Images grow by a factor below 20, flat masks in BMP by some hundreds; deflate reaches 1,032, xz 7,000.
MAX_RATIO = 500
RATIO_FROM_BYTES = GIB
BLOCK = 1 << 20
HEADERS_OF_A_MEMBER = 8 << 10  # of a tar: extended header, long name and padding, most of it zeros
LONGEST_NAME = 255  # bytes, of all common file systems


class Unpacker:
    """Writes members below `target`; every check that does not depend on the format is here."""

    def __init__(self, archive: Path, target: Path, max_bytes: int, max_files: int, progress: Progress | None) -> None:
        self.archive, self.target, self.progress = archive, target, progress
        self.max_bytes, self.max_files = max_bytes, max_files
        self.packed_bytes = archive.stat().st_size
        self.declared: int | None = None
        self.bytes = self.members = 0
        self.left_out = LeftOut()
        self._written: set[str] = set()  # a later member of a tar replaces an earlier one of the same name
        self._links: dict[PurePosixPath, PurePosixPath] = {}

    def refuse(self, what: str, hint: str = "use an archive of a source that you trust") -> CytopipeError:
        """Make the error for a fault of this archive."""
        return CytopipeError(what, where=self.archive, hint=hint)

    def declare(self, size: int) -> None:
        """Check what the archive says of itself, before anything is written."""
        self.declared = size
        self._check_size(size)

    def declare_members(self, number: int) -> None:
        """Check how many members the archive lists, before they are read."""
        if number > self.max_files:
            raise self.refuse(f"the archive has more than {self.max_files:,} members")

    def check_stream(self, position: int) -> None:
        """Check how far the bytes of an unpacked stream have come, whether or not they are written."""
        self._check_size(position - HEADERS_OF_A_MEMBER * self.members)

    def admit(self, name: str, is_folder: bool = False) -> PurePosixPath | None:
        """Check one member's name and count it; None stands for litter, of which files are counted by their reason."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
            raise self.refuse(f"the member {name!r} would be written outside of the target folder")
        self.members += 1
        self.declare_members(self.members)
        if reason := litter_reason(path):
            if not is_folder:
                self.left_out.add(reason, str(path))
            return None
        if not is_folder:
            self._check_name(path)
        return path

    def _check_name(self, path: PurePosixPath) -> None:
        try:
            longest = max((len(part.encode()) for part in path.parts), default=0)
        except UnicodeEncodeError:
            raise self.refuse(
                f"the member {str(path)!r} has a name in another encoding than UTF-8",
                "name the encoding in the source's key `names`, such as names: gbk, cp932 or cp1252",
            ) from None
        if longest > LONGEST_NAME:
            raise self.refuse(
                f"the member '{str(path)[:60]}...' has a name of more than {LONGEST_NAME} bytes",
                "unpack it with its own program, shorten the name, and name the folder instead",
            )

    def create(self, path: PurePosixPath) -> BinaryIO:
        """Open an admitted member for writing."""
        file = self.target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if str(path) not in self._written and file.is_file():
            self._refuse_alike(path)
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._written.add(str(path))
        return os.fdopen(opened, "wb")

    def _refuse_alike(self, path: PurePosixPath) -> None:
        """Refuse a name for which the disk holds the file of another member."""
        other = next((name for name in self._written if _folded(name) == _folded(str(path))), None)
        if other is not None:
            raise self.refuse(
                f"the names '{other}' and '{path}' are the same file to this disk, which does not tell a from A",
                "unpack it on a disk that tells them apart, rename one of them, and name the folder instead",
            )

    def write(self, file: BinaryIO, block: bytes) -> None:
        """Write a block of an opened member, unless it brings the whole above a limit."""
        self.bytes += len(block)
        self._check_size(self.bytes)
        file.write(block)
        if self.progress is not None:
            self.progress(self.bytes, self.declared)

    def copy(self, path: PurePosixPath, source: IO[bytes]) -> None:
        """Write an admitted member from an open stream."""
        with self.create(path) as file:
            while block := source.read(BLOCK):
                self.write(file, block)

    def link(self, path: PurePosixPath, to: str) -> None:
        """Note that `path` links to `to`, a path from the archive's root."""
        end = PurePosixPath(posixpath.normpath(to))
        if end.is_absolute() or ".." in end.parts:
            raise self.refuse(f"the link {str(path)!r} leads out of the archive, to {to!r}")
        self._links[path] = end

    def copy_links(self) -> None:
        """Turn links into copies, once all files are there."""
        for path, end in self._links.items():
            passed = {path}
            while end in self._links and end not in passed:
                passed.add(end)
                end = self._links[end]
            source = self.target / end
            if not source.is_file() or (self.target / path).exists():
                raise self.refuse(f"the link {str(path)!r} leads to no file of the archive ({str(end)!r})")
            with source.open("rb") as file:
                self.copy(path, file)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise self.refuse(f"the archive unpacks to more than {self.max_bytes:,} bytes")
        if size > RATIO_FROM_BYTES and size > MAX_RATIO * self.packed_bytes:
            raise self.refuse(f"the archive grows more than {MAX_RATIO}-fold: it may be a decompression bomb")


def _folded(name: str) -> str:
    """A name as disks compare it that do not tell a from A, nor a letter with an accent from the two apart."""
    return unicodedata.normalize("NFC", name).casefold()
