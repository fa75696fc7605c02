"""The stages from raw files to tensors with one and with several processes: speed, CPU time and peak memory."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import yaml

from copies import Copy
from cytopipe.paths import PARAMS, Raw

DATASET, SEGMENTER = "malaria", "otsu"
STAGES = ("organize", "generate_masks", "build_tensors")
SLIDES = 40  # groups of images
SAMPLED_S = 0.2


def measure(copy: Copy, images: int, counts: tuple[int, int], rounds: int) -> dict[str, Any]:
    """Run the stages with the two numbers of processes in turn.

    Args:
        copy: project with the malaria preset.
        images: number of red blood cells to make, in the publisher's layout.
        counts: the numbers of processes.
        rounds: how often.

    Returns:
        For each stage and for all together: images per second, and milliseconds of CPU time per image, of each number
        of processes (medians), and the ratio of images per second; and the peak memory of each in MiB, shared pages
        counted once.
    """
    _write_images(copy.folder / Raw(DATASET).files, images)
    runs: dict[int, list[dict[str, dict[str, float]]]] = {count: [] for count in counts}
    for number in range(rounds):
        for count in counts:
            _set_workers(copy, count)
            run = {}
            for stage in STAGES:
                if stage == "generate_masks" and not number and count == counts[0]:
                    _run(copy, "train_segmenter", SEGMENTER)
                run[stage] = _run(copy, stage, DATASET)
            run["all"] = {
                "seconds": sum(each["seconds"] for each in run.values()),
                "cpu_seconds": sum(each["cpu_seconds"] for each in run.values()),
                "peak_mib": max(each["peak_mib"] for each in run.values()),
            }
            runs[count].append(run)
    return {"images": images, "processes": list(counts), **{name: _summary(runs, name, images) for name in run}}


def _summary(runs: dict[int, list[dict[str, dict[str, float]]]], name: str, images: int) -> dict[str, Any]:
    def median(key: str) -> list[float]:
        return [statistics.median(run[name][key] for run in found) for found in runs.values()]

    seconds = median("seconds")
    return {
        "images_per_second": [round(images / taken, 1) for taken in seconds],
        "ratio": round(seconds[0] / seconds[1], 2),
        "cpu_ms_per_image": [round(1000 * taken / images, 2) for taken in median("cpu_seconds")],
        "peak_mib": [round(peak) for peak in median("peak_mib")],
    }


def _write_images(folder: Path, count: int) -> None:
    """Red blood cells of 100 to 160 px with some noise, half of them with a dark spot; no two alike."""
    rng = np.random.default_rng(0)
    bases = [_cell(rng, int(side)) for side in rng.integers(100, 161, 32)]
    for number in range(count):
        label = ("Parasitized", "Uninfected")[number % 2]
        image = bases[number % len(bases)].copy()
        image[:4, :8, 0] = [[number >> bit & 1 for bit in range(row * 8, row * 8 + 8)] for row in range(4)]
        if label == "Parasitized":
            cv2.circle(image, (50 + number % 30, 60), 6, (120, 40, 130), cv2.FILLED)
        slide, cell = divmod(number, max(1, count // SLIDES))
        path = folder / "cell_images" / label / f"C{slide + 1}P{slide + 1}ThinF_IMG_20150604_104722_cell_{cell}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])


def _cell(rng: np.random.Generator, side: int) -> np.ndarray:
    """A pink disc on black, as the publisher cuts cells out, side x side x 3 uint8."""
    texture = cv2.resize(rng.normal(0, 8, (side // 6, side // 6, 3)), (side, side)) + rng.normal(0, 2, (side, side, 3))
    disc = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 2 - 4, 1, cv2.FILLED)
    return ((np.array([210, 150, 165]) + texture).clip(0, 255) * disc[..., None]).astype(np.uint8)


def _set_workers(copy: Copy, count: int) -> None:
    file = copy.folder / PARAMS
    params = yaml.safe_load(file.read_text())
    params["runtime"]["num_workers"] = count
    params["tracking"] = {"enabled": False}
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def _run(copy: Copy, stage: str, item: str) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory (MiB) of a stage with its processes."""
    start = time.perf_counter()
    process = copy.start(sys.executable, f"stages/{stage}.py", item)
    with _watched(process.pid) as family:
        output = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{stage} failed:\n{output}")
    cpu_seconds = sum(family.cpu_seconds.values())
    return {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds, "peak_mib": family.peak_mib}


@dataclass
class Family:
    """A process and its children, as they were last seen.

    Attributes:
        cpu_seconds: by process id; what a process computed after it was last seen, up to SAMPLED_S, is missing.
        peak_mib: memory of all, where each page that several share counts once.
    """

    cpu_seconds: dict[int, float] = field(default_factory=dict)
    peak_mib: float = 0.0

    def look(self, pid: int) -> None:
        """Look at the processes now."""
        bytes_of_all = 0
        try:
            process = psutil.Process(pid)
            for member in [process, *process.children(recursive=True)]:
                times = member.cpu_times()
                self.cpu_seconds[member.pid] = times.user + times.system
                bytes_of_all += member.memory_full_info().pss
        except psutil.Error:
            return  # one of them ended meanwhile
        self.peak_mib = max(self.peak_mib, bytes_of_all / 2**20)


@contextmanager
def _watched(pid: int) -> Iterator[Family]:
    """Look at a process and its children every SAMPLED_S seconds while the block runs."""
    family, stop = Family(), threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLED_S):
            family.look(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield family
    finally:
        stop.set()
        thread.join()
