"""Snakemake's locks that a killed pass left behind: they go where no other pass of the project runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TextIO

from cytopipe.core.io import flock
from cytopipe.paths import LOCKS

PASS, SNAKEMAKE = LOCKS / "snakemake.lock", Path(".snakemake/locks")
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
