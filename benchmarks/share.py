"""Share of the pipeline's wall time that is spent outside of the networks."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from copies import Copy

TIMED = Path(__file__).with_name("timed.py")


def measure(copy: Copy, folder: Path) -> dict[str, Any]:
    """Run the whole pipeline with DVC and time every stage.

    Args:
        copy: project without outputs.
        folder: folder for the measurements.
    """
    record = folder / "record.jsonl"
    shims = folder / "shims"
    shims.mkdir()
    # The commands of dvc.yaml begin with `python`: this one is found first.
    (shims / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{TIMED}" "{record}" "$@"\n')
    (shims / "python").chmod(0o755)
    start = time.perf_counter()
    copy.run("dvc", "repro", before_path=shims)
    total = time.perf_counter() - start
    stages = [json.loads(line) for line in record.read_text().splitlines()]
    model = sum(stage["model_seconds"] for stage in stages)
    inside = sum(stage["seconds"] for stage in stages)
    return {
        "seconds": round(total, 1),
        "model_seconds": round(model, 1),
        "outside_model": round(1 - model / total, 3),
        "engine_and_start_of_python": round(1 - inside / total, 3),
        "stages": {
            stage["stage"].removeprefix("stages/"): [round(stage["seconds"], 1), round(stage["model_seconds"], 1)]
            for stage in stages
        },
    }
