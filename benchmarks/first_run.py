"""A first run of the whole pipeline: where its time goes, and how much disk it needs at most."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from copies import Copy

TIMED = Path(__file__).with_name("timed.py")
OUTPUTS = ("data", "models", "results")
SAMPLED_S = 1.0
PARTS = ("networks", "imports", "rest")


def measure(copy: Copy, folder: Path) -> dict[str, Any]:
    """Run the whole pipeline with DVC, time every stage and watch the disk.

    Args:
        copy: project without outputs. Its code and its git repository do not count for the disk.
        folder: folder for the measurements.

    Returns:
        The seconds of the run; those of each stage, over all its items, as networks, imports and rest; those of DVC and
        of starting Python; and the disk's peak over the outputs, where a file with several hard links counts once.
    """
    record, shims = folder / "record.jsonl", folder / "shims"
    shims.mkdir()
    # The commands of dvc.yaml begin with `python`: this one is found first.
    (shims / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TIMED}" "{record}" "$@"\n')
    (shims / "python").chmod(0o755)
    before = _disk_usage(copy.folder)
    start = time.perf_counter()
    with _watched(copy.folder) as samples:
        copy.run("dvc", "repro", before_path=shims)
    total = time.perf_counter() - start
    stages = _by_stage([json.loads(line) for line in record.read_text().splitlines()])
    inside = sum(stage[part] for stage in stages.values() for part in PARTS)
    outputs = sum(_disk_usage(copy.folder / name) for name in OUTPUTS)
    peak = max(samples, default=before) - before
    return {
        "seconds": round(total, 1),
        "stages": {name: {key: round(value, 1) for key, value in stage.items()} for name, stage in stages.items()},
        "engine": round(total - inside, 1),
        "outside_networks": round(1 - sum(stage["networks"] for stage in stages.values()) / total, 3),
        "disk": {
            "outputs_mib": round(outputs / 2**20, 1),
            "peak_mib": round(peak / 2**20, 1),
            "ratio": round(peak / outputs, 2),
        },
    }


def _by_stage(records: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Number of runs and seconds of each stage in the order of the first run; every second is in one of PARTS."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: {"runs": 0, **dict.fromkeys(PARTS, 0.0)})
    for record in records:
        stage = found[Path(record["stage"].split()[0]).stem]
        networks, imports = record["network_seconds"], record["import_seconds"]
        stage["runs"] += 1
        stage["networks"] += networks
        stage["imports"] += imports
        stage["rest"] += record["seconds"] - networks - imports
    return dict(found)


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
