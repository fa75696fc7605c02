"""Screen a whole field: the files that `cytopipe screen` writes, and the number of cells of each class."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cytopipe.data.imaging.fields import open_field
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Predictor
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.identity import screening_of
from cytopipe.screening.outputs import FURTHER, Tally, write_field
from cytopipe.screening.patch_detector import PatchDetector
from cytopipe.screening.picture import class_colours
from cytopipe.screening.screen import MARGIN, field_reading, screen

MOST_PIXELS = 1_000_000_000  # of a field: some minutes; 100 MB of a PNG can hold a hundred times as many
TABLE, GEOJSON, PICTURE, COCO = ".csv", ".geojson", ".png", FURTHER["coco"]


@dataclass(frozen=True)
class FieldResult:
    """The screening of one field.

    Attributes:
        tally: numbers of cells: of each class, uncertain, cut by the edge.
        colours: "#rrggbb" of each class.
        size: height and width of the field, pixels.
        files: output files by suffix.
        seconds: time for the screening.
    """

    tally: Tally
    colours: dict[str, str]
    size: tuple[int, int]
    files: dict[str, Path]
    seconds: float


def screen_field(
    predictor: Predictor,
    detector: CellDetector,
    file: Path,
    folder: Path,
    keep: float,
    models: tuple[Path, Path],
) -> FieldResult:
    """Detect the cells of a field and classify each of them.

    Args:
        predictor: classifies the cells.
        detector: detects the cells.
        file: image of the field.
        folder: gets a new subfolder with the table, the picture and the other files; old subfolders are removed.
        keep: age in seconds at which a subfolder is old.
        models: model folders of the detector and of the classifier, from which the ids of cells are derived.

    Raises:
        CytopipeError: the file cannot be read, or has more than MOST_PIXELS.
    """
    start = time.perf_counter()
    for old in folder.glob("*/"):
        if time.time() - old.stat().st_mtime > keep:
            shutil.rmtree(old)
    target, name = folder / secrets.token_urlsafe(16), file.stem
    with open_field(file, field_reading(detector, predictor)) as field:
        if field.height * field.width > MOST_PIXELS:
            raise CytopipeError(
                f"the field has {field.width:,} x {field.height:,} pixels; this page takes {MOST_PIXELS:,}",
                where=file.name,
                hint="screen it by `cytopipe screen`, which takes fields of any size",
            )
        cells, familiar = screen(field, detector, predictor), bool(predictor.familiar)
        finder = "patches" if isinstance(detector, PatchDetector) else "segmenter"
        ids = screening_of(file, *models, {"finder": finder, "margin": MARGIN, "edge": True})  # as `cytopipe screen`
        tally = write_field(
            target, name, field, cells, list(predictor.classes), familiar, screening=ids, also=["coco"], image=file.name
        )
        size = field.height, field.width
    return FieldResult(
        tally=tally,
        colours=class_colours(tuple(predictor.classes)),
        size=size,
        files={suffix: target / f"{name}{suffix}" for suffix in (TABLE, GEOJSON, PICTURE, COCO)},
        seconds=time.perf_counter() - start,
    )
