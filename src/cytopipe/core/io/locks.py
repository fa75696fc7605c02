"""A lock that lets one process at a time work on a stage."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cytopipe.core.io import flock
from cytopipe.errors import CytopipeError

POLL_SECONDS = 0.1


class StageLock:
    """Context manager that holds an advisory lock (flock) on `path`, with the holder's pid and command in it.

    `kill -9` on an engine leaves the stage that it started running. Without a lock that orphan would write
    into the outputs of the next run. The system drops the lock when its process dies, so none is ever stale;
    the empty file stays.

    Args:
        path: the lock file; missing parent folders are made.
        wait: seconds to wait for the holder; an orphan of a killed run needs a moment to die.

    Raises:
        CytopipeError: on entering, when another process holds the lock for longer than `wait`, and on Windows.
    """

    def __init__(self, path: Path, wait: float = 10.0) -> None:
        self.path, self.wait = Path(path), wait
        self._file: TextIO | None = None

    def __enter__(self) -> StageLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+", encoding="utf-8")
        try:
            self._acquire(file)
            file.truncate(0)
            json.dump({"pid": os.getpid(), "command": shlex.join(sys.orig_argv)}, file)
            file.flush()
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def _acquire(self, file: TextIO) -> None:
        deadline = time.monotonic() + self.wait
        while True:
            try:
                flock.lock(file, wait=False)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise CytopipeError(
                        f"in use by {_holder(file)}",
                        where=self.path,
                        hint="wait until it ends, or end it, and run the command again",
                    ) from None
            time.sleep(POLL_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.truncate(0)
            # Explicitly, because forked workers share the lock and may outlive this block.
            flock.unlock(self._file)
            self._file.close()
            self._file = None


def _holder(file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        return f"process {holder['pid']} ({holder['command']})"
    except (json.JSONDecodeError, KeyError, TypeError):
        return "another process"  # it has not written its name yet
