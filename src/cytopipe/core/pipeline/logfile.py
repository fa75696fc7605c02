"""The log of a stage in `logs/`, kept whichever engine runs it: what it says on standard error, without the bars."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cytopipe import paths


class _Copying:
    """A text stream that copies whole lines into a log; states of a progress bar, which end in \\r, are left out."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log, self._line = stream, log, ""

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        *lines, self._line = (self._line + text).split("\n")
        with contextlib.suppress(OSError, ValueError):  # a full disk ends the log, not the stage
            for line in lines:
                self._log.write(line.rpartition("\r")[2] + "\n")
            self._log.flush()
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextlib.contextmanager
def kept_log(label: str, engine: str) -> Iterator[None]:
    """Copy standard error into `logs/LABEL.log`, which begins anew; Snakemake does so itself.

    Args:
        label: `stage` or `stage@item`.
        engine: name of what runs the stage.
    """
    if engine == "snakemake" or not Path("dvc.yaml").is_file():
        yield
        return
    try:
        file = paths.LOGS / f"{label}.log"
        file.parent.mkdir(exist_ok=True)
        log = file.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError:  # a disk that is full or cannot be written: the stage says so if it matters
        yield
        return
    before = sys.stderr
    with log:
        sys.stderr = _Copying(before, log)
        try:
            yield
        finally:
            sys.stderr = before
