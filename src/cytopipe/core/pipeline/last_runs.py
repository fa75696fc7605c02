"""What this machine remembers of the last run of each stage: its time, or that it failed. Shown, never an output."""

from __future__ import annotations

import contextlib
import json
import resource
from pathlib import Path
from typing import NamedTuple

from cytopipe import paths
from cytopipe.core.io.atomic import write_json


class LastRun(NamedTuple):
    """The last run of a stage.

    Attributes:
        seconds: that the last complete run took; None if there was none.
        failed: whether a later run failed or was interrupted.
        cpu_seconds: processor time of the last complete run, all threads and worker processes together. A training that
            was killed and resumed counts from where it went on.
        threads: threads of that run.
    """

    seconds: float | None = None
    failed: bool = False
    cpu_seconds: float | None = None
    threads: int | None = None


def note_finished(label: str, seconds: float, threads: int) -> None:
    """Remember the run that ends in this process."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    _write(label, LastRun(round(seconds, 2), False, round(spent, 2), threads))


def note_failed(label: str) -> None:
    """Remember that a run failed; the times of the last complete one are kept."""
    _write(label, last_run(label)._replace(failed=True))


def last_run(label: str, root: Path = Path()) -> LastRun:
    """What a project remembers of a stage, or nothing."""
    try:
        return LastRun(**json.loads((root / paths.TIMES / f"{label}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return LastRun()


def _write(label: str, run: LastRun) -> None:
    """A disk that is full forgets it."""
    if paths.STATE.is_dir():
        with contextlib.suppress(OSError):
            write_json(paths.TIMES / f"{label}.json", run._asdict())
