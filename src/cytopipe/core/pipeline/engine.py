"""The workflow engine that runs this process, and a watchdog that ends the process with its engine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

import psutil

ENGINES = ("dvc", "snakemake")
POLL_S = 0.25
GRACE_S = 20.0  # Slurm leaves 30 s between SIGTERM and SIGKILL, unless its KillWait says otherwise

ending = threading.Event()  # set once this process was told to end, and is about to

_PYTHON = re.compile(r"(python|pypy)[\d.]*(\.exe)?$")
_OPTIONS_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")


@dataclass(frozen=True)
class Engine:
    """The program that started this process.

    Attributes:
        name: `dvc`, `snakemake`, or `script` for a script started by hand.
        pid: process id of the engine; None for a script.
        started: start time of the engine (for a script, of this process), in seconds since 1970.
    """

    name: str
    pid: int | None
    started: float


def engine() -> Engine:
    """The nearest ancestor process that runs dvc or snakemake; `script` if there is none."""
    for process in _ancestors():
        with contextlib.suppress(psutil.Error):
            name = engine_of(process.cmdline())
            if name is not None:
                return Engine(name, process.pid, process.create_time())
    return Engine("script", None, psutil.Process().create_time())


def engine_of(command: Sequence[str]) -> str | None:
    """The engine that a command line runs: as a program, as a Python script, or with `python -m`.

    Returns None for other commands, including those with an engine's name only in an argument or a folder.
    """
    if not command:
        return None
    program = command[0]
    if _PYTHON.match(PurePath(program).name):
        program = _python_target(command[1:])
    name = PurePath(program).name.removesuffix(".exe")
    return name if name in ENGINES else None


def pipeline_pass(engine: Engine) -> str:
    """Name that all stages of an engine's run share: `CYTOPIPE_PASS`, or the engine with its start and process id."""
    started = datetime.fromtimestamp(engine.started, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{engine.name}-{started}" if engine.pid is None else f"{engine.name}-{started}-{engine.pid}"
    return os.environ.get("CYTOPIPE_PASS") or name


def die_with(engine: Engine) -> None:
    """Kill this process and its children as soon as the engine, or any process in between, has died.

    Otherwise, after `kill -9` on an engine, its stages would run on and write into the outputs of the next run.
    A daemon thread checks every `POLL_S` seconds; a script started by hand is not watched. A scheduler that cancels a
    job sends SIGTERM to engine and stage at once: a stage that is `ending` has `GRACE_S` seconds to do so.
    """
    if engine.pid is not None:
        threading.Thread(target=_watch, args=(_chain_to(engine.pid),), daemon=True, name="die-with").start()


def _python_target(arguments: Sequence[str]) -> str:
    """The script, or the top-level package of the module, that Python runs with these arguments; "" if none."""
    rest = iter(arguments)
    for argument in rest:
        if argument in _OPTIONS_WITH_VALUE:
            next(rest, None)
        elif re.fullmatch(r"-[A-Za-z]*m", argument):
            return next(rest, "").split(".")[0]
        elif re.fullmatch(r"-[A-Za-z]*c", argument):
            return ""
        elif not argument.startswith("-"):
            return argument
    return ""


def _ancestors() -> list[psutil.Process]:
    """Parent, grandparent and so on, as far as they are accessible."""
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process().parent()
        while parent is not None:
            found.append(parent)
            parent = parent.parent()
    return found


def _chain_to(pid: int) -> list[psutil.Process]:
    """The ancestors up to the engine; empty if the engine is no longer an ancestor."""
    ancestors = _ancestors()
    last = next((i for i, process in enumerate(ancestors) if process.pid == pid), -1)
    return ancestors[: last + 1]


def _watch(chain: list[psutil.Process]) -> None:
    while chain and all(_alive(process) for process in chain):
        time.sleep(POLL_S)
    if ending.is_set():
        time.sleep(GRACE_S)
    _kill_family()


def _alive(process: psutil.Process) -> bool:
    """Whether this process still runs, and is neither a zombie nor another process with the same id."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill_family() -> None:
    # SIGKILL, not os._exit: data loader workers would outlive their parent and keep files open.
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
