"""Unpacking untrusted archives: zip, tar (also .gz, .bz2, .xz, .zst) and 7z, recognised by their content.

All members pass through one `Unpacker`. Links are never made: a link to a file of the archive becomes a
copy of it. That is stricter than tarfile's filter="data", which makes links, and which hostile tars left
through them (CVE-2025-4330, CVE-2025-4517).
"""

from __future__ import annotations

import errno
import io
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from cytopipe.core.io.archive_formats import UNPACK, a_part, archive_format, is_part, not_read, open_zstd
from cytopipe.core.io.archive_streams import HeaderTooLargeError, TarStream, count_zip_members, open_tar_stream
from cytopipe.core.io.folders import Progress
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import is_junk
from cytopipe.core.io.memory import GIB, bounded_memory
from cytopipe.core.io.unpacker import BLOCK, MAX_BYTES, MAX_FILES, Unpacker
from cytopipe.core.io.zip_members import METHODS, READ, UnknownEncodingError, member_name, open_member
from cytopipe.errors import CytopipeError

TAR_BLOCK = 512
MOST_MEMORY = 4 * GIB  # for two million members, or the largest dictionaries that packers offer
UNLOCK = "unpack it with its password and name the folder instead"


def extract_archive(
    archive: Path,
    target: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    names: str | None = None,
    progress: Progress | None = None,
) -> LeftOut:
    """Unpack `archive` into `target`, an existing folder that the caller removes when this raises.

    Files get mode 0644 and folders 0755, or less where the umask says so. Empty folders are not made.
    Litter (`__MACOSX/`, `.DS_Store`, `Thumbs.db`, ...) is left out.

    Args:
        archive: zip, tar (plain, gzip, bzip2, xz, Zstandard) or 7z; its name does not matter.
        target: the folder.
        max_bytes: largest size of all files together, as declared and as written.
        max_files: largest number of members.
        names: encoding of the members' names in a zip that does not say it, or in a tar that is not in UTF-8.
        progress: called with the bytes written and, where the archive declares it, the total.

    Returns:
        The files that were left out.

    Raises:
        CytopipeError: when the archive is missing, truncated, corrupt, encrypted or of no known format; when
            it is larger than the limits, in bytes, members, headers or the memory that it needs, or grows more than
            500-fold to over 1 GiB; when a member would be
            written outside of `target` or is a device, a pipe, or a link to no file of the archive; when the encoding
            of a name is not known.
        OSError: when the disk is full or `target` cannot be written.
    """
    archive, target = Path(archive), Path(target)
    if not archive.is_file():
        raise CytopipeError("no such file", where=archive)
    unpack = READERS.get(archive_format(archive) or "")
    if unpack is None:
        raise not_read(archive)
    unpacker = Unpacker(archive, target, max_bytes, max_files, progress)
    try:
        with bounded_memory(MOST_MEMORY):
            unpack(archive, unpacker, names)
            unpacker.copy_links()
    except CytopipeError:
        raise
    except (MemoryError, HeaderTooLargeError) as fault:
        large = str(fault) or f"its headers or its compression need more than {MOST_MEMORY >> 30} GiB of memory"
        raise unpacker.refuse(large) from None
    except Exception as fault:
        # All, because broken headers make the three readers raise IndexError, struct.error and many others.
        clash = isinstance(fault, FileExistsError | IsADirectoryError | NotADirectoryError)
        outside = isinstance(fault, OSError) and fault.errno == errno.EINVAL  # a header names a place before the file
        if isinstance(fault, OSError) and fault.errno is not None and not (clash or outside):
            raise  # the disk's fault, not the archive's
        if is_part(archive):
            raise a_part(archive) from fault
        raise CytopipeError(
            f"the archive is truncated, corrupt or of an unknown kind ({type(fault).__name__}: {fault})",
            where=archive,
            hint="download it again and compare its checksum with the publisher's",
        ) from fault
    return unpacker.left_out


def _unpack_zip(archive: Path, unpacker: Unpacker, names: str | None) -> None:
    unpacker.declare_members(count_zip_members(archive, unpacker.max_files))
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        unpacker.declare(sum(member.file_size for member in members))
        seen: set[PurePosixPath] = set()
        for member in members:
            name = _zip_name(member, names, unpacker)
            is_folder = name.endswith(("/", "\\"))
            path = unpacker.admit(name, is_folder)
            if path is None or is_folder:
                continue
            if path in seen:
                raise unpacker.refuse(f"two members have the name {name!r}")
            seen.add(path)
            if member.flag_bits & 1:
                raise unpacker.refuse(f"the member {name!r} is encrypted", UNLOCK)
            if member.compress_type not in READ:
                method = METHODS.get(member.compress_type, f"method {member.compress_type}")
                raise unpacker.refuse(f"the member {name!r} is compressed with {method}, which is not read", UNPACK)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind == stat.S_IFLNK:
                unpacker.link(path, posixpath.join(path.parent, open_member(opened, member).read(4096).decode()))
            elif kind in (0, stat.S_IFREG):
                with open_member(opened, member) as source:
                    unpacker.copy(path, source)
            else:
                raise unpacker.refuse(f"the member {name!r} is a special file")


def _zip_name(member: zipfile.ZipInfo, names: str | None, unpacker: Unpacker) -> str:
    try:
        return member_name(member, names)
    except UnknownEncodingError as unknown:
        if is_junk(member.filename.replace("\\", "/")):
            return member.filename
        readings = ", ".join(f"'{text}' in {encoding}" for encoding, text in unknown.readings.items())
        is_not = f"is not in {names}" if names else "is in an encoding that the zip does not say"
        raise unpacker.refuse(
            f"the name of a member {is_not}; it reads {readings or repr(unknown.name)}",
            "name the right one in the source, such as source: {kind: archive, path: ..., names: gbk}",
        ) from None


def _unpack_tar(archive: Path, unpacker: Unpacker, names: str | None) -> None:
    with open_tar_stream(archive) as stream:
        _unpack_members(stream, unpacker, names)


def _unpack_tar_zst(archive: Path, unpacker: Unpacker, names: str | None) -> None:
    with open_zstd(archive) as stream:
        _unpack_members(TarStream(stream), unpacker, names)


def _unpack_members(stream: TarStream, unpacker: Unpacker, names: str | None) -> None:
    # Read as UTF-8 where no encoding is named; the Unpacker refuses what is not.
    with tarfile.open(fileobj=stream, mode="r:", encoding=names or "utf-8") as opened:
        while (member := opened.next()) is not None:
            opened.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all of them
            unpacker.check_stream(opened.offset)  # that of the next header, so that nothing is unpacked to be skipped
            stream.content()
            _unpack_member(opened, member, unpacker)
            stream.next_header()
        stream.content()
        # tarfile takes a broken header for the end. The real end is a block of zeros.
        stream.seek(opened.offset)
        if stream.read(TAR_BLOCK) != bytes(TAR_BLOCK):
            raise EOFError("the tar ends without its end mark")
        while stream.read(BLOCK):  # gzip, bzip2 and xz compare their checksums at the very end
            unpacker.check_stream(stream.tell())


def _unpack_member(opened: tarfile.TarFile, member: tarfile.TarInfo, unpacker: Unpacker) -> None:
    path = unpacker.admit(member.name, member.isdir())
    if path is None or member.isdir():
        return
    if member.issym():
        unpacker.link(path, posixpath.join(path.parent, member.linkname))
    elif member.islnk():
        unpacker.link(path, member.linkname)
    elif source := opened.extractfile(member) if member.isreg() else None:
        with source:
            unpacker.copy(path, source)
    else:
        raise unpacker.refuse(f"the member {member.name!r} is a special file")


def _unpack_7z(archive: Path, unpacker: Unpacker, names: str | None) -> None:
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
            path = unpacker.admit(member.filename, member.is_directory)
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


READERS: dict[str, Callable[[Path, Unpacker, str | None], None]] = {
    "zip": _unpack_zip,
    "tar": _unpack_tar,
    "tar.zst": _unpack_tar_zst,
    "7z": _unpack_7z,
}
