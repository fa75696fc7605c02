"""Locks of files, and systems without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.core.io import flock
from cytopipe.errors import CytopipeError


def test_a_lock_is_held_by_one_until_it_is_dropped(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        flock.lock(first)
        with pytest.raises(BlockingIOError):
            flock.lock(second, wait=False)
        flock.unlock(first)
        flock.lock(second, wait=False)


def test_a_system_without_locks_is_told_what_runs_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flock, "_fcntl", None)
    with (tmp_path / "lock").open("w") as file, pytest.raises(CytopipeError, match="Windows in WSL"):
        flock.lock(file)
