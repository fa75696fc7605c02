"""Locks of Snakemake and DVC that a killed pass left behind: they go where no other pass of the project runs."""

from __future__ import annotations

import contextlib
import json
import time
from itertools import chain
from pathlib import Path
from typing import TextIO

import psutil

from cytopipe.core.io import flock
from cytopipe.paths import LOCKS

PASS, SNAKEMAKE = LOCKS / "snakemake.lock", Path(".snakemake/locks")
DVC = Path(".dvc/tmp/rwlock")
SETTLED_S = 0.5  # in which a DVC that is at it has written its file
_held = list[TextIO]()  # open, and so locked, until this process ends, however it ends


def clear_locks() -> bool:
    """Remove what a killed Snakemake left locked in the working folder, and mark this process as the one that runs.

    Snakemake's locks are files, which outlive a process that is killed and ask the user for `snakemake --unlock`. The
    system drops the lock that is taken here with its process, so that nobody has to be asked.

    Returns:
        False if another pass runs, whose locks stay, or the disk has no locks of this kind.
    """
    PASS.parent.mkdir(parents=True, exist_ok=True)
    file = PASS.open("a")
    try:
        flock.lock(file, wait=False)
    except OSError:  # BlockingIOError among them
        file.close()
        return False
    _held.append(file)
    for stale in SNAKEMAKE.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            stale.unlink()
    return True


def clear_dvc_locks() -> bool:
    """Remove DVC's table of locks if no DVC that lives holds one, or one that was killed left a part of the table.

    DVC would end at a part. In a whole table it passes over processes that are gone, but takes for alive what has
    their number since, after the machine was started again, say.

    Returns:
        Whether it was removed.
    """
    if not _is_stale():
        return False
    time.sleep(SETTLED_S)
    if not _is_stale():
        return False
    DVC.unlink(missing_ok=True)
    return True


def _is_stale() -> bool:
    try:
        table = json.loads(DVC.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    holders = [*table.get("write", {}).values(), *chain.from_iterable(table.get("read", {}).values())]
    return bool(holders) and not any(_is_dvc(one["pid"]) for one in holders)


def _is_dvc(pid: int) -> bool:
    try:
        return any("dvc" in Path(word).name for word in psutil.Process(pid).cmdline()[:4])
    except psutil.Error:
        return False
