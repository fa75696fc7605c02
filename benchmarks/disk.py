"""Peak disk usage of a first run: outputs are linked with DVC's cache, not copied, so that it stays close to theirs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from copies import Copy

OUTPUTS = ("data", "models", "results")
SAMPLED_S = 0.5


def measure(copy: Copy) -> dict[str, Any]:
    """Run `dvc repro` and compare the peak with the outputs, in MiB; a file with several hard links counts once.

    Args:
        copy: project without outputs. Its code and its git repository do not count.
    """
    before = _disk_usage(copy.folder)
    with _watched(copy.folder) as samples:
        copy.run("dvc", "repro")
    outputs = sum(_disk_usage(copy.folder / name) for name in OUTPUTS)
    at_end = _disk_usage(copy.folder) - before
    peak = max(samples, default=before) - before
    return {
        "outputs_mib": round(outputs / 2**20, 1),
        "peak_mib": round(peak / 2**20, 1),
        "end_mib": round(at_end / 2**20, 1),
        "ratio": round(peak / outputs, 2),
    }


def _disk_usage(folder: Path) -> int:
    """Allocated bytes of all files below a folder, without .git."""
    found: dict[tuple[int, int], int] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            try:
                status = Path(root, name).lstat()
            except FileNotFoundError:
                continue  # it was renamed or removed meanwhile
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """Disk usage of a folder every SAMPLED_S seconds while the block runs."""
    samples: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLED_S):
            samples.append(_disk_usage(folder))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
