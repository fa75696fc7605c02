"""Peak memory of build_tensors with ten times as many images; it must not grow, because the arrays are streamed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from copies import Copy
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.paths import PARAMS, Masks, Organized

DATASET = "many"
CLASSES = 5
SIZE = 64
# The kernel's high-water mark of this process; getrusage would include the memory of the parent at the fork.
REPORT_PEAK = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = "stages"
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    status = open("/proc/self/status").read()
    print(status.split("VmHWM:")[1].split()[0])
"""


def measure(copy: Copy, few: int = 2_000, many: int = 20_000) -> dict[str, Any]:
    """Peak resident memory of the stage in MiB with few and many images, and their ratio.

    Args:
        copy: project to run the stage in; it gets a dataset that lists one image many times.
        few, many: the two numbers of images.
    """
    peaks = [_peak(copy, count) for count in (few, many)]
    return {"images": [few, many], "peak_mib": peaks, "ratio": round(peaks[1] / peaks[0], 3)}


def _peak(copy: Copy, count: int) -> float:
    _write_dataset(copy.folder, count)
    done = subprocess.run(
        [sys.executable, "-c", REPORT_PEAK, "stages/build_tensors.py", DATASET],
        cwd=copy.folder,
        env=os.environ | {"PYTHONPATH": str(copy.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"build_tensors failed:\n{done.stderr}")
    return round(int(done.stdout.split()[-1]) / 1024, 1)


def _write_dataset(root: Path, count: int) -> None:
    organized, masks = root / Organized(DATASET).folder, root / Masks(DATASET).folder
    for folder in (organized / "cells", masks / "predicted"):
        folder.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    cv2.imwrite(str(organized / "cells/cell.png"), image)
    (masks / "predicted/cell.png").write_bytes(encode_mask(image[..., 0] % 3))
    rows = [_row(number) for number in range(count)]
    for folder in (organized, masks):
        write_manifest(folder / "manifest.csv", rows)
    params = yaml.safe_load((root / PARAMS).read_text())
    dataset = next(iter(params["datasets"].values()))
    params["datasets"] = {**params["datasets"], DATASET: {**dataset, "image_size": SIZE}}
    params["tracking"] = {"enabled": False}
    (root / PARAMS).write_text(yaml.safe_dump(params))


def _row(number: int) -> Row:
    label = number % CLASSES
    return Row(
        id=f"{number:08d}",
        path="cells/cell.png",
        label=str(label),
        class_index=label,
        split=("train", "train", "train", "val", "test")[number % 5],
        group=f"g{number // 100}",
        width=SIZE,
        height=SIZE,
        sha256="0" * 64,
        mask_path="predicted/cell.png",
        mask_sha256="0" * 64,
    )
