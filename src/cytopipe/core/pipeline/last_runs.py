"""What this machine remembers of the last run of each stage: seconds, or its error. Shown, never an output."""

from __future__ import annotations

import contextlib
import json
from typing import NamedTuple

from cytopipe import paths
from cytopipe.core.io.atomic import write_json


class LastRun(NamedTuple):
    """The last run of a stage.

    Attributes:
        seconds: that the last complete run took; None if there was none.
        failed: whether a later run failed or was interrupted.
    """

    seconds: float | None
    failed: bool


def note(label: str, seconds: float | None, failed: bool) -> None:
    """Remember a run; one that failed keeps the seconds of the last complete one. A disk that is full forgets it."""
    if not paths.STATE.is_dir():
        return
    kept = seconds if seconds is not None else last_run(label).seconds
    with contextlib.suppress(OSError):
        write_json(paths.TIMES / f"{label}.json", {"seconds": kept, "failed": failed})


def last_run(label: str) -> LastRun:
    """What is remembered of a stage, or nothing."""
    try:
        found = json.loads((paths.TIMES / f"{label}.json").read_text(encoding="utf-8"))
        return LastRun(found["seconds"], bool(found["failed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return LastRun(None, False)
