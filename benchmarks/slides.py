"""Speed and memory of the screening of whole slides.

python benchmarks/slides.py --project FOLDER           of a finished demo: some minutes on one core
python benchmarks/slides.py --project FOLDER --write   also docs/slides.json

Speed: a slide is made of the fields of the demo, with as much empty glass beside them. It is screened as `cytopipe
screen` does (opened, searched for tissue, read tile by tile, cells written, parts merged, picture drawn), and its tiles
with their margins once more from an array in memory, where there is nothing to do but the models' own work. Both are
processor seconds of one thread, so that other processes of the machine count in neither.

Memory: peak of a process for empty glass with five spots of cells, of 10,000 x 10,000 and of 100,000 x 80,000 px.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from cytopipe import paths
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.inference.predictor import Predictor
from cytopipe.screening.segmenter_detector import SegmenterDetector
from cytopipe.slides.job import Settings, SlideJob
from cytopipe.slides.opening import open_slide
from cytopipe.slides.outputs import SlideFiles, merge
from cytopipe.slides.part_file import part_path
from cytopipe.slides.slide import Level
from cytopipe.slides.tile_screening import TileScreener
from cytopipe.slides.tiles import WHOLE, Part, grid, with_tissue

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs/slides.json"
MPP, TILE, SPOT, GLASS = 0.25, 1024, 512, 240
CPU = torch.device("cpu")
SIZES = ((10_000, 10_000), (80_000, 100_000))
REPORT_PEAK = """
import sys
from cytopipe.cli import app

app(sys.argv[1:], standalone_mode=False)
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


class Resident:
    """A slide that lies in memory; see `cytopipe.slides.slide.Slide`."""

    planes = 1

    def __init__(self, path: Path, image: np.ndarray) -> None:
        self.path, self._image = path, image
        self.mpp: float | None = MPP
        self.levels: Sequence[Level] = [Level(image.shape[0], image.shape[1], 1.0)]

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """A region of the array."""
        return self._image[top : top + height, left : left + width]

    def close(self) -> None:
        """Nothing is open."""


def fields_of(project: Path, dataset: str) -> list[np.ndarray]:
    """The whole fields of a dataset."""
    images = sorted(path for path in (project / paths.Raw(dataset).files).rglob("*.bmp") if "CROPPED" not in path.parts)
    return [read_rgb(path)[0] for path in images]


def mosaic(fields: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """An image of fields side by side, its right half empty glass."""
    glass = np.percentile(fields[0].reshape(-1, 3), 90, axis=0).astype(np.uint8)
    image = np.broadcast_to(glass, (height, width, 3)).copy()
    rows, columns = fields[0].shape[:2]
    number = 0
    for top in range(0, height, rows):
        for left in range(0, width // 2, columns):
            field = fields[number % len(fields)]
            place = image[top : top + rows, left : min(left + columns, width // 2)]
            place[:] = field[: place.shape[0], : place.shape[1]]
            number += 1
    return image


def framed(field: np.ndarray) -> np.ndarray:
    """The corner of a field, with glass around it so that no other tile shows any of it: SPOT x SPOT x 3."""
    spot = np.full((SPOT, SPOT, 3), GLASS, np.uint8)
    edge = SPOT // 8
    spot[edge:-edge, edge:-edge] = field[: SPOT - 2 * edge, : SPOT - 2 * edge]
    return spot


def speed(project: Path, dataset: str, segmenter: str, classifier: str, tiles: int) -> dict[str, Any]:
    """Processor seconds of a slide, and of its tiles from memory."""
    sys.path.insert(0, str(ROOT / "tests"))
    from made_slides import write_aperio

    make_deterministic(1)
    image = mosaic(fields_of(project, dataset), tiles * TILE, 2 * tiles * TILE)
    models = [project / paths.segmenter(segmenter).model, project / paths.classifier(classifier).model]
    detector, predictor = SegmenterDetector(models[0], CPU), Predictor.load(models[1], CPU)
    settings = Settings(mpp=MPP, tile=TILE)
    with tempfile.TemporaryDirectory() as scratch:
        path = write_aperio(Path(scratch) / "slide.svs", image, factors=(1, 4, 16), mpp=MPP)
        with open_slide(path) as slide:  # imports what a process imports once
            merge(None, slide, [_nothing(SlideJob.of(slide, models, detector, predictor, settings), Path(scratch))])
        start = time.process_time()
        with open_slide(path) as slide:
            job = SlideJob.of(slide, models, detector, predictor, settings)
            part = part_path(Path(scratch), "slide", WHOLE)
            job.run(part)
            _, found = merge(SlideFiles.of(Path(scratch), "slide"), slide, [part])
            whole = time.process_time() - start
            shown = with_tissue(grid((job.view.height, job.view.width), TILE), job.view, job.tissue)
            view = replace(job.view, slide=Resident(path, image))
        screener = TileScreener(view, detector, predictor, settings.margin)
        start = time.process_time()
        cells = sum(len(screener(tile)) for tile in shown)
        resident = time.process_time() - start
    sizes = [(screener.region(tile).shape, tile.core.shape) for tile in shown]
    more = sum(wide[0] * wide[1] for wide, _ in sizes) / sum(core[0] * core[1] for _, core in sizes)
    area = sum(tile.core.shape[0] * tile.core.shape[1] for tile in shown) * (MPP / 1000) ** 2
    return {
        "models": [f"segmenters/{segmenter}", f"classifiers/{classifier}"],
        "tiles": found.tiles,
        "empty": found.empty,
        "tile": TILE,
        "mpp": MPP,
        "cells": found.cells,
        "cells_with_seams": cells,
        "mm2_with_tissue": round(area, 3),
        "seconds": round(whole, 1),
        "seconds_resident": round(resident, 1),
        "mm2_per_second": round(area / whole, 5),
        "cells_per_second": round(found.cells / whole, 2),
        "pixels_with_margins": round(more, 2),
        "share_of_model_speed": round(resident / whole, 3),
    }


def _nothing(job: SlideJob, folder: Path) -> Path:
    """A part of no tile."""
    part = part_path(folder, "nothing", Part(1, 1000))
    job.run(part, Part(1, 1000))
    return part


def memory(project: Path, segmenter: str, spot: np.ndarray) -> dict[str, Any]:
    """Peak resident memory in MiB by the size of the slide, and the ratio of the largest to the smallest."""
    from made_slides import write_sparse

    peaks, cells = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for height, width in SIZES:
            rows, columns = height // SPOT, width // SPOT
            places = [(round(rows * share), round(columns * share)) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
            path = write_sparse(Path(scratch) / f"{width}.svs", (height, width), dict.fromkeys(places, spot), SPOT)
            model = str(project / paths.segmenter(segmenter).model)
            options = ("--mpp", str(MPP), "--tile", str(SPOT), "--json", "--threads", "1", "--out", scratch)
            command = (sys.executable, "-c", REPORT_PEAK, "screen", str(path), "--segmenter", model, *options)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"cytopipe screen failed:\n{done.stderr}")
            text, _, kilobytes = done.stdout.rstrip().rpartition("\n")
            peaks.append(round(int(kilobytes) / 1024))
            cells.append(json.loads(text)["cells"])
    return {"pixels": SIZES, "peak_mib": peaks, "cells": cells, "ratio": round(peaks[1] / peaks[0], 3)}


def main(
    project: Annotated[Path, typer.Option(help="Folder of a finished demo.")],
    dataset: str = "cervix",
    segmenter: str = "unet",
    classifier: str = "attention-masks",
    tiles: Annotated[int, typer.Option(help="Rows of tiles of the slide; it has twice as many columns.")] = 1,
    only: Annotated[str, typer.Option(help="speed or memory; empty: both.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write docs/slides.json; what is not measured stays.")] = False,
) -> None:
    """Measure, print, and with --write store."""
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    found["command"] = f"python benchmarks/slides.py --project FOLDER --tiles {tiles} --write"
    if only in ("", "speed"):
        found["speed"] = speed(project, dataset, segmenter, classifier, tiles)
    if only in ("", "memory"):
        found["memory"] = memory(project, segmenter, framed(fields_of(project, dataset)[0]))
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    if write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
