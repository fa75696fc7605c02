"""Advisory locks of files, which the system drops when their process dies; Windows itself has none of them."""

from __future__ import annotations

from types import ModuleType
from typing import IO, Any

from cytopipe.errors import CytopipeError

_fcntl: ModuleType | None
try:
    import fcntl as _fcntl
except ImportError:
    _fcntl = None

AVAILABLE = _fcntl is not None


def lock(file: IO[Any], *, wait: bool = True) -> None:
    """Lock an open file for this process alone.

    Args:
        file: the file; closing it drops the lock.
        wait: wait for another process that holds it.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
        CytopipeError: this system has no such locks.
    """
    _here().flock(file, _here().LOCK_EX | (0 if wait else _here().LOCK_NB))


def unlock(file: IO[Any]) -> None:
    """Drop the lock of an open file, also where another process inherited the file."""
    _here().flock(file, _here().LOCK_UN)


def _here() -> ModuleType:
    if _fcntl is None:
        raise CytopipeError(
            "the stages run on Linux, on macOS, and on Windows in WSL, but not on Windows itself",
            hint="run `wsl --install`, then cytopipe in WSL; predict, preset and models run here too",
        )
    return _fcntl
