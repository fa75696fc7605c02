"""Detectors of cells on whole phantom fields: what they find, and whether it depends on where a field is cut.

    python benchmarks/fields.py --write      in a finished project of the preset demo, or with --project elsewhere

It trains the segmenter of docs/fields.yaml and writes docs/fields.json. The fields are those of the test split; the
training and every threshold saw those of the splits train and val only. The cells that the edge of a phantom field
cuts, which its annotation leaves out, are drawn again, so that finding them can be scored too (`edge_`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedField
from cytopipe.adapters.registry import adapter
from cytopipe.core.io.atomic import write_text
from cytopipe.core.params import PhantomSource, Runtime, Segmenter, load_params
from cytopipe.data.field_crops import fields_of_split
from cytopipe.data.imaging.boxes import overlap
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.fields import Field
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.metrics.detection import Detection, ScreenedField, TrueCell
from cytopipe.metrics.instances import instance_metrics
from cytopipe.metrics.screening import detection_metrics
from cytopipe.models.folder import save_model
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.detectors import CellDetector, find_cells
from cytopipe.screening.field_detector import FieldDetector
from cytopipe.screening.score import load_detector
from cytopipe.training.field_segmentation import fit_field_segmenter
from cytopipe.training.workspace import Workspace
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.spec import Phantom, read_table

SPECIFICATION, WRITTEN = Path("docs/fields.yaml"), Path("docs/fields.json")
DATASET, NAME = "cervix", "fields"
CUTS = (1, 2, 3, 5, 8, 13, 16, 21, 27, 32)  # pixels that are cut off, or added
INTERIOR = 40  # pixels from the edge of what is left, within which nothing is compared
SAME = 0.5  # intersection over union of the boxes of a cell that is found again
REPEATS = 4  # of a field beside itself, along each side
OTHERS = ("fields-segmenter", "fields-patches")  # screenings of the preset demo


def train(config: Segmenter, fields: Sequence[AnnotatedField], rows: Sequence[Row], folder: Path) -> float:
    """Train the segmenter of fields into a folder; returns the processor time in seconds."""
    assert config.training is not None
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch) / name for name in ("arrays", "checkpoints")]
        for place in places:
            place.mkdir()
        workspace = Workspace.of_runtime(Runtime(device="cpu", cpu="portable", num_threads=1), *places)
        start = time.process_time()
        trained = fit_field_segmenter(config, config.training, fields, rows, "0" * 64, workspace)
        seconds = time.process_time() - start
    save_model(folder, trained.model, trained.spec)
    return seconds


def detect(detector: CellDetector, image: np.ndarray) -> list[DetectedCell]:
    """The cells of an image, H x W x 3 uint8."""
    return list(find_cells(Field.of(image), detector))


def score(
    detector: CellDetector, fields: Sequence[AnnotatedField], cut: dict[str, Sequence[np.ndarray]]
) -> dict[str, Any]:
    """What a detector finds on fields; `cut` are outlines of cells that the edge cuts, by field."""
    annotated, whole = [], []
    for field in fields:
        image = read_rgb(field.image)[0]
        height, width = image.shape[:2]
        found = [Detection(cell.box, cell.contour, cell.score, "") for cell in detect(detector, image)]
        true = [TrueCell(cell.id, "", cell.cytoplasm) for cell in field.cells]
        annotated.append(ScreenedField(field.id, field.group, height, width, true, found))
        edge = [TrueCell(f"{field.id}-edge{n}", "", one) for n, one in enumerate(cut[field.id])]
        whole.append(ScreenedField(field.id, field.group, height, width, [*true, *edge], found))
    measured, every = detection_metrics(annotated, [""]), detection_metrics(whole, [""])
    names = ("precision", "recall", "f1")
    chosen = {f"{kind}_{name}": measured[kind][name] for kind in ("boxes", "contours") for name in names}
    chosen["count_relative_error"] = measured["count"]["relative_error"]
    chosen |= instance_metrics(annotated)
    chosen |= {f"edge_{kind}_f1": every[kind]["all_counted_f1"] for kind in ("boxes", "contours")}
    result: dict[str, Any] = {"cells": measured["cells"], "cells_with_edge": every["cells"]}
    for name, value in chosen.items():
        result[name] = {"value": rounded(value.value), "low": rounded(value.low), "high": rounded(value.high)}
    return result


def rounded(value: float | None) -> float | None:
    """Three digits."""
    return None if value is None else round(value, 3)


def cut_cells(fields: Iterable[AnnotatedField], source: PhantomSource) -> dict[str, Sequence[np.ndarray]]:
    """Outlines of the cells that the edge of each phantom field cuts, clipped to the field."""
    table = read_table(source.path, Phantom)
    found: dict[str, Sequence[np.ndarray]] = {}
    for field in fields:
        match = re.fullmatch(r"(.+)_(\d+)", field.id)
        assert match is not None
        seed = [source.seed, list(table.classes).index(match[1]), int(match[2])]
        drawn = take_field(table, match[1], count=source.cells_per_field, scale=source.scale, seed=seed)
        assert len(drawn.cells) == len(field.cells), field.id
        height, width = drawn.image.shape[:2]
        clipped = [np.clip(cell.cytoplasm, 0, (width - 1, height - 1)) for cell in drawn.bystanders]
        found[field.id] = [one for one in clipped if (np.ptp(one, axis=0) >= 4).all()]
    return found


def sensitivity(detector: CellDetector, images: Sequence[np.ndarray]) -> dict[str, Any]:
    """Share of interior cells that are lost or new when a field is cut or padded, and the cells that tiling adds."""
    changed = compared = 0
    for image in images:
        whole = detect(detector, image)
        for pixels in CUTS:
            for given, shift in (cropped(image, pixels), padded(image, pixels)):
                found = detect(detector, given)
                inside = interior(image.shape, pixels)
                before = [cell for cell in whole if inside(cell.box)]
                moved = [tuple(np.add(cell.box, (*shift, *shift)).tolist()) for cell in found]
                after = [box for box in moved if inside(box)]
                changed += sum(not again(cell.box, moved) for cell in before)
                changed += sum(not again(box, [cell.box for cell in whole]) for box in after)
                compared += len(before)
    alone, tiled = tiling(detector, images)
    return {
        "interior_cells": compared,
        "changed": changed,
        "share_changed": round(changed / max(compared, 1), 4),
        "alone_times_tiles": alone,
        "tiled": tiled,
    }


def cropped(image: np.ndarray, pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The image without some columns at the left and rows above, and where it lies in the whole (x, y)."""
    return np.ascontiguousarray(image[pixels:, pixels:]), (pixels, pixels)


def padded(image: np.ndarray, pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The image with its edge repeated to the left and above, and where it lies in the whole (x, y)."""
    return np.pad(image, ((pixels, 0), (pixels, 0), (0, 0)), mode="edge"), (-pixels, -pixels)


def interior(shape: tuple[int, ...], pixels: int) -> Callable[[Sequence[int]], bool]:
    """Whether a box lies well within what all versions of a field show."""
    low, (high_y, high_x) = pixels + INTERIOR, (shape[0] - INTERIOR, shape[1] - INTERIOR)
    return lambda box: min(box[:2]) >= low and box[2] <= high_x and box[3] <= high_y


def again(box: Sequence[int], others: Iterable[Sequence[int]]) -> bool:
    """Whether a box is among others."""
    return any(overlap(tuple(box), tuple(other)) >= SAME for other in others)  # type: ignore[arg-type]  # four each


def tiling(detector: CellDetector, images: Sequence[np.ndarray]) -> tuple[int, int]:
    """Interior cells of the fields alone, times their number of tiles, and of fields laid beside themselves."""
    alone = tiled = 0
    for image in images:
        height, width = image.shape[:2]
        inside = interior(image.shape, 0)
        alone += REPEATS**2 * sum(inside(cell.box) for cell in detect(detector, image))
        for cell in detect(detector, np.tile(image, (REPEATS, REPEATS, 1))):
            x, y = cell.box[0] // width * width, cell.box[1] // height * height
            tiled += inside(tuple(np.subtract(cell.box, (x, y, x, y)).tolist()))
    return alone, tiled


def speed(detector: CellDetector, image: np.ndarray) -> float:
    """Processor seconds for a field of 4,000 x 4,000 px."""
    rows, columns = (-(-4000 // side) for side in image.shape[:2])
    large = np.ascontiguousarray(np.tile(image, (rows, columns, 1))[:4000, :4000])
    start = time.process_time()
    detect(detector, large)
    return time.process_time() - start


def measure(
    config: Segmenter,
    others: Sequence[str],
    grid_fields: int,
    model: Path | None,
    keep: Callable[[dict[str, Any]], None],
) -> None:
    """Train and score everything, in the folder of a finished project of the preset demo.

    Args:
        config: the segmenter of fields.
        others: screenings of the project whose detectors are set beside it.
        grid_fields: number of fields that are cut, padded and tiled.
        model: its model folder; None trains one.
        keep: called with all numbers after each detector.
    """
    torch.set_num_threads(1)
    params = load_params(Path("params.yaml"))
    dataset = params.datasets[DATASET]
    assert isinstance(dataset.source, PhantomSource)
    rows = read_manifest(paths.Organized(DATASET).manifest)
    fields = adapter(dataset.adapter, "datasets").read_fields(paths.Raw(DATASET).files)
    test = fields_of_split(fields, rows, "test")
    edge = cut_cells(test, dataset.source)
    images = [read_rgb(field.image)[0] for field in test[:: max(1, len(test) // grid_fields)][:grid_fields]]
    result: dict[str, Any] = {"fields": len(test), "grid_fields": len(images), "detectors": {}}
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        if model is None:
            model = Path(folder) / NAME
            result["training_seconds"] = round(train(config, fields, rows, model))
        detectors: dict[str, CellDetector] = {NAME: FieldDetector(model, device)}
        for name in others:
            chosen = params.screenings[name]
            other = paths.Trained(chosen.section, chosen.model)
            detectors[name] = load_detector(other, device, chosen.arguments)
        for name, detector in detectors.items():
            found = score(detector, test, edge)
            found["grid"] = sensitivity(detector, images if name == NAME else images[:1])
            found["seconds_4000_px"] = round(speed(detector, images[0]), 1) if name == NAME else None
            result["detectors"][name] = found
            print(name, json.dumps(found), flush=True)
            keep(result)


def main() -> None:
    """Measure; with --write keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {WRITTEN}")
    parser.add_argument("--others", nargs="*", default=list(OTHERS), help="screenings of params.yaml to set beside it")
    parser.add_argument("--grid-fields", type=int, default=6, help="fields that are cut, padded and tiled")
    parser.add_argument("--model", type=Path, help="a model folder of the segmenter, trained before")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the finished project")
    given = parser.parse_args()
    config = Segmenter.model_validate(yaml.safe_load(SPECIFICATION.read_text())["segmenters"][NAME])
    written, model = WRITTEN.resolve(), given.model.resolve() if given.model else None
    os.chdir(given.project)

    def keep(result: dict[str, Any]) -> None:
        if given.write:
            write_text(written, json.dumps(result, indent=2) + "\n")

    measure(config, given.others, given.grid_fields, model, keep)


if __name__ == "__main__":
    main()
