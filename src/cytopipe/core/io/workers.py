"""An ordered map over processes of this machine, in flat memory; no result depends on the number of processes."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from typing import Any, Literal, TypeVar

from threadpoolctl import ThreadpoolController

from cytopipe.errors import CytopipeError

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger("cytopipe")
LONGEST_TEMPORARY = 60  # characters
AHEAD = 3  # chunks per process that are computed, or wait, before their turn comes
PATIENCE_S = 0.5  # work that takes less does not repay the start of processes
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def worker_count(setting: int | Literal["auto"]) -> int:
    """The number of processes for `runtime.num_workers`.

    `auto` is the number of cores that this process may use, by its affinity, the quota of its cgroup (containers), and
    what Slurm gave it.
    """
    if setting != "auto":
        return setting
    from joblib import cpu_count  # affinity and cgroups

    usable: int = cpu_count()
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(1, min(usable, int(given))) if given.isdecimal() else usable


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, chunk: int = 1
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, computed by several processes with one thread each.

    Items are taken as results are consumed, so that only a few chunks per process are in memory. Work of less than
    PATIENCE_S is done in this process. Close the iterator (`contextlib.closing`) where processes write files: they have
    ended when it is closed.

    Args:
        function: a function at the top level of a module, or a `functools.partial` of one. It must not depend on state
            of this process.
        items: read one by one; what each holds is sent to a process.
        workers: number of processes; with 0 or 1, everything is computed in this process.
        chunk: number of items that are sent at a time; more than 1 where an item takes milliseconds.

    Raises:
        CytopipeError: a process was killed, such as by the system when memory ran out.
        Exception: what the function raised for the first of the items that fail. Results before it in its chunk may
            be missing.
    """
    remaining = iter(items)
    yield from _compute_here(function, remaining, PATIENCE_S if workers > 1 else math.inf)
    chunks = iter(lambda: list(islice(remaining, chunk)), [])
    if first := next(chunks, None):
        yield from _compute_in_processes(function, chain([first], chunks), workers)


def _compute_here(function: Callable[[Item], Result], items: Iterator[Item], patience: float) -> Iterator[Result]:
    """Results of the first items, until computing has taken `patience` seconds."""
    threads = ThreadpoolController()
    spent = 0.0
    for item in items:
        start = time.monotonic()
        with threads.limit(limits=1):  # as in the processes
            result = function(item)
        spent += time.monotonic() - start
        yield result
        if spent > patience:
            break


def _compute_in_processes(
    function: Callable[[Item], Result], chunks: Iterable[list[Item]], workers: int
) -> Iterator[Result]:
    executor = _executor(function, workers)
    if executor is None:
        yield from _compute_here(function, chain.from_iterable(chunks), math.inf)
        return
    pending: deque[Future[list[Result]]] = deque()
    try:
        for chunk in chunks:
            pending.append(executor.submit(_compute_chunk, function, chunk))
            if len(pending) >= AHEAD * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool:
        raise CytopipeError(
            f"one of {workers} worker processes was killed, most likely because memory ran out",
            hint="run fewer: lower runtime.num_workers, or set it to 0",
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _executor(function: Callable[..., Any], workers: int) -> ProcessPoolExecutor | None:
    """The processes; None, with a warning, where the system has no room in /dev/shm for what they share."""
    # The fork server listens at an address in the temporary folder, which may have 107 characters in all.
    spawn = sys.platform == "win32" or len(tempfile.gettempdir()) > LONGEST_TEMPORARY
    context = get_context("spawn" if spawn else "forkserver")
    context.set_forkserver_preload(_modules_of(function))
    try:
        return ProcessPoolExecutor(workers, context, _prepare_process)
    except (ImportError, OSError) as error:
        log.warning(
            "no processes can be started, because /dev/shm cannot be used (%s): one does all the work. A container has "
            "more with docker run --shm-size=2g; runtime.num_workers: 0 ends this warning",
            getattr(error, "strerror", None) or error,
        )
        return None


def _modules_of(function: Callable[..., Any]) -> list[str]:
    """What every process imports, so that the fork server does it once for all: modules of the function and script."""
    script = vars(sys.modules["__main__"]).values()
    names = {getattr(value, "__module__", None) for value in (getattr(function, "func", function), *script)}
    return sorted(name for name in names if name in sys.modules and name != "__main__")


def _compute_chunk(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _prepare_process() -> None:
    """One thread; ends with its parent, which alone answers to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="end-with-parent").start()
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # of libraries that are loaded later
    ThreadpoolController().limit(limits=1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
