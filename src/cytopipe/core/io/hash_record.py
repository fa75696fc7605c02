"""The hashes of files that were read before, so that each is read once however many stages depend on it.

A file is known by its inode, size and time of change, as git and DVC know it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from types import TracebackType

from cytopipe.core.io.hashing import sha256_file

logger = logging.getLogger("cytopipe")

# A file that changed just now could change again within the resolution of its time.
SETTLED_NS = 1_000_000_000
_WAIT_S = 60  # for another stage that writes its hashes
_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    device INTEGER, inode INTEGER, size INTEGER, changed_ns INTEGER, sha256 TEXT, PRIMARY KEY (device, inode)
) WITHOUT ROWID
"""


class HashRecord:
    """SHA-256 of files; what was read is recorded when the block ends.

        with HashRecord(paths.HASHES) as record:
            digest = record.sha256(path)

    Stages may use it at the same time. Without a usable record, such as on a disk that is full, files are read again.

    Args:
        file: an SQLite database; made where it is missing, replaced where it is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: dict[tuple[int, int], tuple[int, int, str]] = {}
        self._database = self._open()

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file's content in 64 hexadecimal digits; the file is read only if it is not known."""
        found = path.stat()
        key, state = (found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns)
        known = self._new.get(key) or self._known(key)
        if known and known[:2] == state:
            return known[2]
        digest = sha256_file(path)
        if time.time_ns() - found.st_mtime_ns > SETTLED_NS:
            self._new[key] = *state, digest
        return digest

    def add(self, path: Path, digest: str) -> None:
        """Record the hash of a file that this process has just written; it may be renamed afterwards."""
        found = path.stat()
        self._new[found.st_dev, found.st_ino] = found.st_size, found.st_mtime_ns, digest

    def __enter__(self) -> HashRecord:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._database is None:
            return
        rows = [(*key, *value) for key, value in self._new.items()]
        try:
            with contextlib.closing(self._database), self._database:
                self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            logger.warning("%s: hashes cannot be recorded (%s)", self._file, error)

    def _open(self) -> sqlite3.Connection | None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            return _connect(self._file)
        except sqlite3.OperationalError as error:  # locked, or not writable
            logger.warning("%s: no hashes are known (%s)", self._file, error)
        except sqlite3.DatabaseError:  # damaged
            self._file.unlink()
            return _connect(self._file)
        return None

    def _known(self, key: tuple[int, int]) -> tuple[int, int, str] | None:
        if self._database is None:
            return None
        query = "SELECT size, changed_ns, sha256 FROM files WHERE device = ? AND inode = ?"
        found: tuple[int, int, str] | None = self._database.execute(query, key).fetchone()
        return found


def _connect(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=_WAIT_S)
    database.execute(_TABLE)
    return database
