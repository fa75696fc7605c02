"""A GPU of its own for each stage that computes on one, though several stages of a project run side by side.

Neither engine says which: without this, all would take `cuda:0`. A stage locks a free GPU and sees no other.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cytopipe.core.io import flock

VISIBLE = "CUDA_VISIBLE_DEVICES"  # set by a user, by a scheduler such as Slurm, or here
POLL_S = 0.5
LISTING_S = 30.0

logger = logging.getLogger("cytopipe")
_GPU = re.compile(r"^GPU \d+:.*\(UUID: (\S+)\)")
_SLICE = re.compile(r"^\s+MIG .*\(UUID: (\S+)\)")


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    They are those of CUDA_VISIBLE_DEVICES if it is set, which a scheduler does for its jobs; else all that the driver
    lists, of a GPU that is divided (MIG) its slices. Empty if there are none, or none can be listed.
    """
    if VISIBLE in environment:
        names = [name.strip() for name in environment[VISIBLE].split(",")]
        # CUDA takes what follows a name that is none for hidden.
        hidden = next((place for place, name in enumerate(names) if name in ("", "-1", "NoDevFiles")), len(names))
        return names[:hidden]
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, check=True, timeout=LISTING_S)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed_gpus(done.stdout)


def listed_gpus(listing: str) -> list[str]:
    """UUIDs in the output of `nvidia-smi -L`: of a GPU that is divided its slices, else its own."""
    found = list[tuple[str, list[str]]]()
    for line in listing.splitlines():
        if whole := _GPU.match(line):
            found.append((whole[1], []))
        elif found and (part := _SLICE.match(line)):
            found[-1][1].append(part[1])
    return [name for gpu, slices in found for name in slices or [gpu]]


@contextmanager
def own_gpu(locks: Path, label: str) -> Iterator[None]:
    """Take a GPU that no other stage of the project holds, and hide all others from this process.

    It waits while all are in use. Where there is no GPU, nothing happens. Call it before torch is imported: CUDA reads
    CUDA_VISIBLE_DEVICES once.

    Args:
        locks: folder of the lock files.
        label: the stage, for the message.
    """
    names = visible_gpus(os.environ)
    if not names:
        yield
        return
    before = os.environ.get(VISIBLE)
    name, file = _first_free(names, locks, label)
    os.environ[VISIBLE] = name
    if len(names) > 1:
        logger.info("%s: on GPU %s", label, name)
    try:
        yield
    finally:
        flock.unlock(file)  # explicitly, because forked workers share the lock and may outlive this block
        file.close()
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


def _first_free(names: Sequence[str], locks: Path, label: str) -> tuple[str, TextIO]:
    locks.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        for name in names:
            file = (locks / f"{_place()}-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock").open("a")
            try:
                flock.lock(file, wait=False)
            except BlockingIOError:
                file.close()
                continue
            return name, file
        if not told:
            logger.info("%s: waits for a GPU, as other stages use all %d", label, len(names))
            told = True
        time.sleep(POLL_S)


def _place() -> str:
    """Where names of GPUs are unique: the machine, or a job of Slurm, which may number the GPUs of each job from 0."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"{socket.gethostname()}-{job}" if job else socket.gethostname()
