"""Where trials are stored: Optuna's journal, a file that several processes append to, or a database.

The journal has time stamps, so that it is no output; it lies where the checkpoints lie.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from cytopipe.core.io import flock
from cytopipe.errors import CytopipeError

DATABASE = "CYTOPIPE_SEARCH_STORAGE"  # URL of SQLAlchemy; not in params.yaml, because it may hold a password
JOURNAL = "journal.log"


class _Lock(BaseJournalFileLock):
    """A lock that the system drops when its process dies; it also cuts off a last line that a kill left unfinished."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._file: IO[Any] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._journal.with_suffix(".lock").open("a")
        flock.lock(self._file)
        _mend(self._journal)
        return True

    def release(self) -> None:
        """Let the next process in."""
        if self._file is not None:
            flock.unlock(self._file)
            self._file.close()
            self._file = None


def _mend(journal: Path) -> None:
    with journal.open("rb+") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def open_storage(folder: Path) -> BaseStorage:
    """The storage of a search, in its folder, or in the database that the environment names.

    Raises:
        CytopipeError: the database cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = os.environ.get(DATABASE)
    if not url:
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / JOURNAL
        journal.touch()
        lock = _Lock(journal)
        lock.acquire()  # mends what a kill left, before it is read
        lock.release()
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
    try:
        return RDBStorage(url, skip_compatibility_check=False)
    except Exception as error:  # of SQLAlchemy, its drivers and Optuna: whatever is wrong with the address
        raise CytopipeError(
            f"the database of trials cannot be used ({type(error).__name__})",
            where=DATABASE,
            hint="correct the URL, or unset it to keep trials in a file",
        ) from None


@contextmanager
def held(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that dies with this process; yields False where another process has it and `wait` is off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            flock.lock(file, wait=wait)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            flock.unlock(file)
