"""Ultralytics' classifier from random weights; runs in the environment of the peers.

classify_ultralytics.py IMAGEFOLDER MINUTES OUT
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from ultralytics import YOLO

from report import write_classes

SIDE = 96  # a multiple of its stride of 32 that holds an image of 78 pixels


def main(data: Path, minutes: float, out: Path) -> None:
    """Train for the given time and classify the test images."""
    model = YOLO("yolo11n-cls.yaml")
    seen, started = 0, time.perf_counter()

    def count(trainer: Any) -> None:
        nonlocal seen
        seen += trainer.batch_size

    model.add_callback("on_train_batch_end", count)
    model.train(
        data=str(data), imgsz=SIDE, time=minutes / 60, pretrained=False, device="cpu", workers=1, seed=0,
        project=str(out), name="run", exist_ok=True, plots=False, verbose=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    files = sorted((data / "test").glob("*/*.png"))
    found = [model.predict(str(file), imgsz=SIDE, device="cpu", verbose=False)[0] for file in files]
    labels = [one.names[one.probs.top1] for one in found]
    write_classes(out, {file.stem: label for file, label in zip(files, labels, strict=True)}, seen, seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
