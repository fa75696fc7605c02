"""The memory of a slide does not grow with its size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from made_slides import drawn, write_sparse

SPOT = 512
COMMAND = """
import sys
from cytopipe.cli import app

app(sys.argv[1:], standalone_mode=False)
lines = open("/proc/self/status").read().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def peak(slide: Path, model: Path, out: Path) -> int:
    """Peak of the resident memory of a process that screens a slide, kilobytes."""
    options = ("--segmenter", str(model), "--out", str(out), "--json", "--tile", "512")
    command = (sys.executable, "-c", COMMAND, "screen", str(slide), *options)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"cells": 20,' in done.stdout
    return int(done.stdout.split()[-1])


def test_a_slide_of_100000_px_takes_the_memory_of_one_of_10000(model: Path, tmp_path: Path) -> None:
    spot = drawn(SPOT, SPOT, [(100, 100), (300, 150), (200, 400), (400, 420)])
    peaks = []
    for height, width in ((10_000, 10_000), (80_000, 100_000)):
        rows, columns = height // SPOT, width // SPOT
        spots = {(round(rows * share), round(columns * share)): spot for share in (0.1, 0.3, 0.5, 0.7, 0.9)}
        path = write_sparse(tmp_path / f"{width}.svs", (height, width), spots)
        peaks.append(peak(path, model, tmp_path / "out"))
    assert peaks[1] <= 1.2 * peaks[0], peaks
