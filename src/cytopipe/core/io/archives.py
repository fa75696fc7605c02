"""Unpacking untrusted archives: zip, tar (also .gz, .bz2, .xz) and 7z, recognised by their content.

All members pass through one `Unpacker`. Links are never made: a link to a file of the archive becomes a
copy of it. That is stricter than tarfile's filter="data", which makes links, and which hostile tars left
through them (CVE-2025-4330, CVE-2025-4517).
"""

from __future__ import annotations

import io
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from cytopipe.core.io.folders import Progress, is_junk
from cytopipe.core.io.unpacker import BLOCK, MAX_BYTES, MAX_FILES, Unpacker
from cytopipe.errors import CytopipeError

TAR_BLOCK = 512
UNLOCK = "unpack it with its password and name the folder instead"
MAGIC = {
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "rar": (b"Rar!\x1a\x07",),
}


def archive_format(path: Path) -> str | None:
    """Return "zip", "7z", "rar" or "tar" by a file's content; None when it is no archive.

    A file that is compressed but holds no tar, such as `labels.csv.gz`, is no archive.
    """
    with Path(path).open("rb") as file:
        head = file.read(8)
    for name, magics in MAGIC.items():
        if head.startswith(magics):
            return name
    try:
        return "tar" if tarfile.is_tarfile(path) else None
    except (EOFError, OSError, zlib.error):
        return None  # compressed, and broken before the first tar header ends


def extract_archive(
    archive: Path,
    target: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    progress: Progress | None = None,
) -> int:
    """Unpack `archive` into `target`, an existing folder that the caller removes when this raises.

    Files get mode 0644 and folders 0755, or less where the umask says so. Empty folders are not made.
    `__MACOSX/`, `.DS_Store`, `Thumbs.db`, `.git/` and `._*` are skipped.

    Args:
        archive: zip, tar (plain, gzip, bzip2, xz) or 7z; its name does not matter.
        target: the folder.
        max_bytes: largest size of all files together, as declared and as written.
        max_files: largest number of members.
        progress: called with the bytes written and, where the archive declares it, the total.

    Returns:
        The number of skipped members.

    Raises:
        CytopipeError: when the archive is missing, truncated, corrupt, encrypted or of no known format; when
            it is larger than the limits or grows more than 500-fold to over 1 GiB; when a member would be
            written outside of `target` or is a device, a pipe, or a link to no file of the archive.
        OSError: when the disk is full or `target` cannot be written.
    """
    archive, target = Path(archive), Path(target)
    if not archive.is_file():
        raise CytopipeError("no such file", where=archive)
    unpack = READERS.get(archive_format(archive) or "")
    if unpack is None:
        raise CytopipeError(
            "this is not a complete zip, tar or 7z archive",
            where=archive,
            hint="download it again, or unpack it with its own program and name the folder instead",
        )
    unpacker = Unpacker(archive, target, max_bytes, max_files, progress)
    try:
        unpack(archive, unpacker)
        unpacker.copy_links()
    except CytopipeError:
        raise
    except Exception as fault:
        # All, because broken headers make the three readers raise IndexError, struct.error and many others.
        clash = isinstance(fault, FileExistsError | IsADirectoryError | NotADirectoryError)
        if isinstance(fault, OSError) and fault.errno is not None and not clash:
            raise  # the disk's fault, not the archive's
        raise CytopipeError(
            f"the archive is truncated, corrupt or of an unknown kind ({type(fault).__name__}: {fault})",
            where=archive,
            hint="download it again and compare its checksum with the publisher's",
        ) from fault
    return unpacker.skipped


def _unpack_zip(archive: Path, unpacker: Unpacker) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        unpacker.declare(sum(member.file_size for member in members))
        for member in members:
            path = unpacker.admit(member.filename)
            if path is None or member.filename.endswith(("/", "\\")):
                continue
            if member.flag_bits & 1:
                raise unpacker.refuse(f"the member {member.filename!r} is encrypted", UNLOCK)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind == stat.S_IFLNK:
                unpacker.link(path, posixpath.join(path.parent, opened.open(member).read(4096).decode()))
            elif kind in (0, stat.S_IFREG):
                with opened.open(member) as source:
                    unpacker.copy(path, source)
            else:
                raise unpacker.refuse(f"the member {member.filename!r} is a special file")


def _unpack_tar(archive: Path, unpacker: Unpacker) -> None:
    with tarfile.open(archive) as opened:
        for member in opened:
            path = unpacker.admit(member.name)
            if path is None or member.isdir():
                continue
            if member.issym():
                unpacker.link(path, posixpath.join(path.parent, member.linkname))
            elif member.islnk():
                unpacker.link(path, member.linkname)
            elif source := opened.extractfile(member) if member.isreg() else None:
                with source:
                    unpacker.copy(path, source)
            else:
                raise unpacker.refuse(f"the member {member.name!r} is a special file")
        stream = opened.fileobj
        assert stream is not None
        # tarfile takes a broken header for the end. The real end is a block of zeros.
        stream.seek(opened.offset)
        if stream.read(TAR_BLOCK) != bytes(TAR_BLOCK):
            raise EOFError("the tar ends without its end mark")
        while stream.read(BLOCK):  # gzip, bzip2 and xz compare their checksums at the very end
            pass


def _unpack_7z(archive: Path, unpacker: Unpacker) -> None:
    import py7zr  # here, because it takes a while and few datasets need it

    try:
        # An open file instead of its name: py7zr then unpacks one member after the other, in this thread.
        with archive.open("rb") as file, py7zr.SevenZipFile(file) as opened:
            writers = _SevenZipWriters(unpacker, opened.files)
            try:
                opened.extractall(writers.root, factory=writers)
            finally:
                writers.finish()
    except py7zr.PasswordRequired:
        raise unpacker.refuse("the archive is encrypted", UNLOCK) from None


class _SevenZipWriters:
    """The writer factory that py7zr asks for each member, and at once the member that it writes to."""

    def __init__(self, unpacker: Unpacker, members: Any) -> None:
        self.unpacker, self.root = unpacker, unpacker.target.resolve()
        self._links: set[PurePosixPath] = set()
        self._wanted: set[PurePosixPath] = set()
        self._path = PurePosixPath()
        self._file: BinaryIO | None = None
        unpacker.declare(sum(member.uncompressed for member in members))
        for member in members:
            path = unpacker.admit(member.filename)
            if path is None or member.is_directory:
                continue
            if member.is_symlink and not member.is_junction:
                self._links.add(path)
            elif member.st_fmt not in (None, 0, stat.S_IFREG) or member.is_junction:
                raise unpacker.refuse(f"the member {member.filename!r} is a special file")
            if path in self._wanted:
                raise unpacker.refuse(f"two members have the name {member.filename!r}")
            self._wanted.add(path)

    def create(self, filename: str) -> _SevenZipWriters:
        """Begin the member that py7zr would write to `filename`."""
        self.finish()
        name = PurePosixPath(filename).relative_to(self.root.as_posix())
        self._path = PurePosixPath(name.as_posix().replace("\\", "/"))
        if self._path in self._links:
            self._file = io.BytesIO()
        elif self._path in self._wanted:
            self._file = self.unpacker.create(self._path)
        elif not is_junk(self._path):
            raise self.unpacker.refuse(f"the member {filename!r} is not in the archive's list")
        return self

    def write(self, block: bytes) -> int:
        """Take the next bytes of the member; those of junk go nowhere."""
        if self._file is not None:
            self.unpacker.write(self._file, block)
        return len(block)

    def finish(self) -> None:
        """End the current member."""
        if isinstance(self._file, io.BytesIO):
            self.unpacker.link(self._path, posixpath.join(self._path.parent, self._file.getvalue().decode()))
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, size: int | None = None) -> bytes:
        """Nothing is read back."""
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Do nothing: py7zr rewinds finished members."""
        return 0

    def flush(self) -> None:
        """Do nothing: `finish` closes the file."""

    def close(self) -> None:
        """Do nothing: early versions of py7zr do not call it; `finish` ends a member."""

    def size(self) -> int:
        """Size of the member so far, which nothing asks for while it unpacks."""
        return 0


READERS: dict[str, Callable[[Path, Unpacker], None]] = {
    "zip": _unpack_zip,
    "tar": _unpack_tar,
    "7z": _unpack_7z,
}
