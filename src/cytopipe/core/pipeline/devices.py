"""GPUs of its own for each stage that computes on them, though several stages of a project run side by side.

Neither engine says which: without this, all would take `cuda:0`. A stage locks free GPUs and sees no others.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cytopipe.core.io import flock
from cytopipe.errors import CytopipeError

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
def own_gpus(locks: Path, label: str, count: int = 1) -> Iterator[None]:
    """Take GPUs that no other stage of the project holds, and hide all others from this process.

    It waits until so many are free. Where there is no GPU, nothing happens. Call it before torch is imported: CUDA
    reads CUDA_VISIBLE_DEVICES once.

    Args:
        locks: folder of the lock files.
        label: the stage, for the message.
        count: number of GPUs.

    Raises:
        CytopipeError: there are GPUs, but fewer than `count`; or several are wanted where GPUs are divided (MIG).
    """
    names = visible_gpus(os.environ)
    if not names:
        yield
        return
    _require(names, count)
    before = os.environ.get(VISIBLE)
    with ExitStack() as held:
        taken = _first_free(names, locks, label, count, held)
        os.environ[VISIBLE] = ",".join(taken)
        if len(names) > count:
            logger.info("%s: on GPU %s", label, ", ".join(taken))
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _require(names: Sequence[str], count: int) -> None:
    if count > len(names):
        raise CytopipeError(
            f"{count} GPUs are wanted, and this process may use {len(names)} ({', '.join(names)})",
            where="runtime.devices",
            hint=f"set it to {len(names)} or fewer, or ask the scheduler for more; `nvidia-smi -L` and {VISIBLE} say "
            "which there are",
        )
    if count > 1 and any(name.startswith("MIG") for name in names):
        raise CytopipeError(
            "slices of divided GPUs (MIG) cannot train one network together: NCCL connects whole GPUs",
            where="runtime.devices",
            hint="set it to 1; stages that run side by side take a slice each",
        )


def _first_free(names: Sequence[str], locks: Path, label: str, count: int, held: ExitStack) -> list[str]:
    """The first GPUs that are free, locked until `held` ends.

    A stage that waits holds none, so that no two wait for each other; but it holds the turn of all that see the same
    GPUs, so that those who want one do not overtake a stage that wants several for ever.
    """
    locks.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256(",".join(sorted(names)).encode()).hexdigest()[:12]
    told = in_turn = False
    with ExitStack() as turn:
        while True:
            in_turn = in_turn or _lock(locks / f"{_place()}-turn-{seen}.lock", turn)
            if in_turn and (taken := _take(names, locks, count, held)):
                return taken
            if not told:
                wanted = "a GPU" if count == 1 else f"{count} GPUs"
                logger.info("%s: waits for %s, as other stages use them (%d in all)", label, wanted, len(names))
                told = True
            time.sleep(POLL_S)


def _take(names: Sequence[str], locks: Path, count: int, held: ExitStack) -> list[str]:
    """So many free GPUs, locked until `held` ends; none where fewer are free."""
    taken = list[str]()
    with ExitStack() as some:
        for name in names:
            file = locks / f"{_place()}-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"
            if len(taken) < count and _lock(file, some):
                taken.append(name)
        if len(taken) < count:
            return []
        held.enter_context(some.pop_all())
    return taken


def _lock(path: Path, held: ExitStack) -> bool:
    """Lock a file until `held` ends, if nobody else holds it."""
    file = path.open("a")
    try:
        flock.lock(file, wait=False)
    except BlockingIOError:
        file.close()
        return False
    held.callback(file.close)
    held.callback(flock.unlock, file)  # explicitly, because forked workers share the lock and may outlive this block
    return True


def _place() -> str:
    """Where names of GPUs are unique: the machine, or a job of Slurm, which may number the GPUs of each job from 0."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"{socket.gethostname()}-{job}" if job else socket.gethostname()
