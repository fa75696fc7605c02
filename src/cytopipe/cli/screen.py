"""`cytopipe screen`: detect the cells of whole fields of view and classify each of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytopipe.cli.common import (
    UNREADABLE,
    AsJson,
    Debug,
    Device,
    PixelSize,
    Range,
    Threads,
    clear_errors,
    fix_processor,
    prepare,
    say_cropped,
    say_networks,
    with_range,
)
from cytopipe.cli.screen_formats import FieldFormats, Further
from cytopipe.cli.screen_output import show, summary
from cytopipe.cli.screen_slides import Merge, Mpp, PartOfSlide, SlideRun, TileSide, list_fields
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    import torch

    from cytopipe.data.imaging.fields import Field
    from cytopipe.models.inference.predictor import Predictor
    from cytopipe.screening.detectors import CellDetector
    from cytopipe.screening.outputs import Tally
    from cytopipe.screening.screen import ScreenedCell

Fields = Annotated[
    list[str],
    typer.Argument(
        metavar="FIELD...",
        help="Whole fields or whole slides: files, folders, quoted patterns, or a CSV with a column 'image'.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="Classifier of the cells; without it they are only detected."),
]
Segmenter = Annotated[
    Path | None,
    typer.Option("--segmenter", metavar="DIR", help="Detect cells with this segmenter, its nuclei as seeds."),
]
Patches = Annotated[
    Path | None,
    typer.Option("--patches", metavar="DIR", help="Detect cells with this patch classifier (cell or background)."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Output folder.  [default: screened]")]
Scale = Annotated[
    float | None,
    typer.Option(
        "--scale",
        min=0.001,
        max=100,
        help="Scale of the field before detection, if not that of the training.",
    ),
]
Box = Annotated[
    int | None,
    typer.Option("--box", min=2, metavar="PX", help="With --patches: squares of this side instead of outlines."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold", min=0, max=1, help="Probability threshold of nuclei.  [default: 0.5, with --patches 0.7]"
    ),
]
Margin = Annotated[
    float,
    typer.Option(
        "--margin", min=0, max=2, help="Margin around a cell's crop, as a fraction of its longer side; as in training."
    ),
]
Edge = Annotated[bool, typer.Option("--edge/--no-edge", help="Keep cells that are cut by the edge of the field.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="COLUMN", help="Fields that belong together: a column of the CSV of fields, or 'folder'."
    ),
]
Count = Annotated[bool, typer.Option("--count", help="Print the counts; write files only if --out is given.")]
FOLDER = Path("screened")


def command(
    fields: Fields,
    model: Model = None,
    segmenter: Segmenter = None,
    patches: Patches = None,
    out: Out = None,
    scale: Scale = None,
    box: Box = None,
    threshold: Threshold = None,
    margin: Margin = 0.05,
    edge: Edge = True,
    by: By = None,
    pixel_size_um: PixelSize = None,
    mpp: Mpp = None,
    tile: TileSide = 2048,
    part: PartOfSlide = None,
    merge: Merge = False,
    count: Count = False,
    also: Further = None,
    value_range: Range = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Detect the cells of whole fields of view, and classify each of them.

    Cells are detected by a segmenter, whose nuclei are seeds of a watershed over its cells (one that was trained on
    whole fields outlines each cell itself), or by a patch classifier that tells cells from background, whose peaks are
    the nuclei. Fields may be of any size: they are read in tiles,
    and a cell on the border between tiles is detected once.

    A classifier that was trained to answer for patients (`patients` in params.yaml) also answers for each field, or
    with --by for each slide: screened.by.csv in the output folder has the score, the decision and the most telling
    cells.

    Whole slides (SVS, NDPI, MRXS and others of OpenSlide, pyramids and focal planes in OME-TIFF, OME-Zarr) are read at
    the micrometres per pixel that the detector was trained at. --part 3/16 screens the third of 16 parts of a slide,
    and --merge makes of all parts the outputs that one process would have written.

    The outputs for each field are FIELD.csv (box, area, class, confidence, probabilities, outlines as WKT),
    FIELD.geojson for QuPath, and FIELD.png with the cells drawn in; --also adds COCO or OME-NGFF labels. A field that
    cannot be read is reported, and the others are processed.

    \b
    Examples:
      cytopipe screen slide.bmp --model models/classifiers/attention-masks --segmenter models/segmenters/unet
      cytopipe screen slides/ --model models/classifiers/attention-masks --patches models/classifiers/cell-background
      cytopipe screen slide.bmp --segmenter models/segmenters/unet --count --json
      cytopipe screen big.tif --patches models/classifiers/cell-background --box 80 --scale 0.5 --out found
      cytopipe screen smear.svs --segmenter models/segmenters/unet --mpp 0.25 --part 3/16
    """
    if (segmenter is None) == (patches is None) and not (merge and segmenter is None):
        raise typer.BadParameter("give one detector: --segmenter DIR or --patches DIR")
    if box is not None and patches is None:
        raise typer.BadParameter("--box needs --patches")
    with clear_errors(debug):
        fix_processor(threads, model or segmenter or patches)

        from cytopipe.models.files import model_id
        from cytopipe.models.inference.group_table import write_groups
        from cytopipe.models.inference.image_groups import groups_of
        from cytopipe.models.patients import needed_rule
        from cytopipe.screening.outputs import output_names

        named = list_fields(fields)
        listed = [Path(name) for name in named]
        groups = dict(zip(named, output_names(listed), strict=True)) if by is None else groups_of(named, fields, by)
        where = prepare(device, threads, model or segmenter or patches)
        slides = SlideRun.of((segmenter or patches, model), mpp, pixel_size_um, tile, part, merge)
        slides.refuse_formats(also, listed)
        scale = slides.patch_scale(listed) if scale is None else scale
        detector = _detector(where, segmenter, patches, scale, box, threshold)
        slides.options = {"scale": scale, "box": box, "threshold": threshold}
        screening = _Screening(detector, _predictor(model, where, pixel_size_um), margin, edge, value_range, slides)
        target = None if count and out is None and not slides.in_parts else out or FOLDER
        if by is not None:
            needed_rule(screening.predictor.patients if screening.predictor else None, model or Path())
        finder: object = "patches" if patches else "segmenter"
        options = {"scale": scale, "box": box, "threshold": threshold}
        further = {"finder": finder, "margin": margin, "edge": edge, "range": value_range, "pixel size": pixel_size_um}
        screening.formats = FieldFormats(also, segmenter or patches or Path(), model, options | further)
        results, total = screening.run(listed, target)
        rule = screening.predictor.patients if screening.predictor else None
        if model is not None and rule is not None and rule.rule is not None and target is not None and not part:
            answers = screening.evidence.answers(rule, [groups[name] for name in named], model_id(model))
            print(f"{write_groups(target / FOLDER.name, answers)}: {rule.words}", file=sys.stderr)
        if screening.predictor is not None and model is not None:
            say_networks(model)
            say_cropped(screening.predictor, "cells")
        show(results, total, as_json, count)
        if any("error" in result for result in results):
            raise typer.Exit(UNREADABLE)


def _detector(
    device: torch.device,
    segmenter: Path | None,
    patches: Path | None,
    scale: float | None,
    box: int | None,
    threshold: float | None,
) -> CellDetector | None:
    from cytopipe.screening.finders import finder_of
    from cytopipe.screening.patch_detector import PatchDetector

    if patches is not None:
        return PatchDetector(patches, device, scale, threshold=0.7 if threshold is None else threshold, box=box)
    if segmenter is None:  # --merge
        return None
    return finder_of(segmenter)(segmenter, device, scale, nucleus=0.5 if threshold is None else threshold)


def _predictor(model: Path | None, device: torch.device, pixel_size_um: float | None) -> Predictor | None:
    from cytopipe.models.inference.predictor import Predictor

    return Predictor.load(model, device, pixel_size_um=pixel_size_um) if model else None


class _Screening:
    """Screens several fields with one detector and one classifier."""

    formats: FieldFormats  # set before `run`

    def __init__(
        self,
        detector: CellDetector | None,
        predictor: Predictor | None,
        margin: float,
        edge: bool,
        value_range: str | None,
        slides: SlideRun,
    ) -> None:
        from cytopipe.core.params import Reading
        from cytopipe.screening.groups import FieldEvidence
        from cytopipe.screening.screen import field_reading

        for one in (detector, predictor) if value_range else ():
            if one is not None:
                one.reading = with_range(one.reading, value_range)
        self.reading = field_reading(detector, predictor) if detector else Reading()
        self.detector, self.predictor, self.margin, self.edge, self.slides = detector, predictor, margin, edge, slides
        self.classes = list(predictor.classes) if predictor else []
        self.is_familiar = predictor is not None and bool(predictor.familiar)
        self.evidence = FieldEvidence()

    def run(self, paths: list[Path], out: Path | None) -> tuple[list[dict[str, Any]], Tally]:
        """Screen the fields; returns a result for each, in order, and the counts over all."""
        from contextlib import nullcontext

        from tqdm import tqdm

        from cytopipe.core.io.locks import StageLock
        from cytopipe.screening.outputs import Tally, output_names

        results, total = [], Tally.of(self.classes, self.is_familiar)
        with StageLock(out / ".screen.lock", wait=1) if out and not self.slides.part else nullcontext():
            bar = tqdm(list(zip(paths, output_names(paths), strict=True)), unit=" field", file=sys.stderr)
            for path, name in bar:
                start = time.perf_counter()
                result: dict[str, Any] = {"field": str(path), "name": name}
                try:
                    tally, size = self._one(path, name, out)
                except CytopipeError as error:
                    bar.write(f"error: {error}", file=sys.stderr)
                    results.append({**result, "error": str(error)})
                    self.evidence.failed(name, str(error))
                    continue
                total.include(tally)
                results.append({**result, **size, **summary(tally), "seconds": round(time.perf_counter() - start, 3)})
        return results, total

    def _one(self, path: Path, name: str, out: Path | None) -> tuple[Tally, dict[str, Any]]:
        if self.slides.takes(path):
            return self.slides.screen(path, name, out, self)
        from cytopipe.data.imaging.fields import open_field
        from cytopipe.screening.outputs import Tally, write_field

        with open_field(path, self.reading) as field:
            cells = self.evidence.watch(name, self._cells(field))
            if out is not None:
                written = self.formats.of(path)
                tally = write_field(out, name, field, cells, self.classes, self.is_familiar, **written)
            else:
                tally = Tally.of(self.classes, self.is_familiar)
                for cell in cells:
                    tally.add(cell)
            return tally, {"width": field.width, "height": field.height}

    def _cells(self, field: Field) -> Iterator[ScreenedCell]:
        from cytopipe.screening.screen import screen

        assert self.detector is not None  # it is only where slides are merged
        return screen(field, self.detector, self.predictor, self.margin, edge=self.edge)
