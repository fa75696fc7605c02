"""A bound on the memory that this process takes while it reads what a stranger wrote.

Readers of archives, workbooks and networks allocate what a file says of itself: a header of a few bytes can ask for
more than any machine has. Beyond the bound an allocation fails, which is caught, instead of the machine's memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30
PER_PROCESSOR = 64 * MIB  # stacks and arenas of threads that start meanwhile
_STATUS = Path("/proc/self/status")
_LOCK = threading.Lock()
_bounds: list[int] = []  # of the blocks that run now, in all threads: they end in any order
_limits_before = (0, 0)  # soft and hard, of when no block ran


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let this process take at most `more` bytes beyond what it has now, and a margin for threads.

    An allocation beyond it raises MemoryError (in numpy and Python) or RuntimeError (in torch). The bound is
    RLIMIT_DATA, which counts private memory only, not mapped files; on systems other than Linux nothing is bounded.
    It holds for all threads of the process; of several blocks at once the smallest bound counts.
    """
    global _limits_before
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    held = _data_bytes()
    if held is None:
        yield
        return
    bound = held + more + PER_PROCESSOR * (os.cpu_count() or 1)

    def set_limit() -> None:
        _, hard = _limits_before
        finite = [limit for limit in (*_bounds, *_limits_before) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(finite, default=resource.RLIM_INFINITY), hard))

    with _LOCK:
        if not _bounds:
            _limits_before = resource.getrlimit(resource.RLIMIT_DATA)
        _bounds.append(bound)
        set_limit()
    try:
        yield
    finally:
        with _LOCK:
            _bounds.remove(bound)
            set_limit()


def _data_bytes() -> int | None:
    """Private memory of this process; None where the system does not say."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), None)
