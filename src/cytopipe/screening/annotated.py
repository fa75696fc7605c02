"""Evaluation of a screening on annotated fields: which fields may be used, and the result as files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cytopipe.adapters.base import AnnotatedField
from cytopipe.core.io.tables import write_table
from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import AS_FULL, encode_png, read_rgb
from cytopipe.data.imaging.fields import open_field
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.metrics.detection import ScreenedField
from cytopipe.metrics.instances import instance_metrics
from cytopipe.metrics.plotting.detection_figures import counts_figure, field_figure, precision_recall_figure
from cytopipe.metrics.screening import (
    COUNT_COLUMNS,
    PR_COLUMNS,
    count_rows,
    detection_metrics,
    field_scores,
    found_cells,
    precision_recall_rows,
    worst_median_best,
)
from cytopipe.results.screening import FieldScore, FieldScores, FoundCell, FoundCells, ScreeningDetails
from cytopipe.screening.picture import class_colours, thumbnail_of

FIELDS, CELLS = 60, 24  # thumbnails of a screening, at most
STRANGE = "#8a94a6"  # outline of a class that is none of the classifier's
AROUND = 6  # pixels around the box of a cell that is cut out


def held_out_fields(fields: Iterable[AnnotatedField], rows: Iterable[Row], where: Path) -> list[AnnotatedField]:
    """The fields that no network was trained on: they have cells, and every cell is a test image.

    Args:
        fields: the annotated fields of a dataset.
        rows: rows of its organized manifest.
        where: path of that manifest, for the error message.

    Raises:
        CytopipeError: no field qualifies.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.group].add(row.split)
    chosen = [field for field in fields if splits.get(field.group) == {"test"}]
    if not chosen:
        raise CytopipeError(
            "no field has all its cells among the test images",
            where=where,
            hint="split the dataset by kind: grouped, so that the cells of a field stay together",
        )
    return chosen


@dataclass(frozen=True)
class ScreeningResult:
    """The result of screening annotated fields.

    Attributes:
        fields: the fields with their annotated and their found cells.
        images: image file of each field, in the same order.
        classes: names of the classes of the annotated cells.
        reading: how the image files are read.
        outlines: whether the outlines of single cells are scored too; see `metrics.instances`.
    """

    fields: Sequence[ScreenedField]
    images: Sequence[Path]
    classes: Sequence[str]
    reading: Reading = AS_FULL
    outlines: bool = False

    @cached_property
    def details(self) -> ScreeningDetails:
        """Every metric with its confidence interval; see `detection_metrics`."""
        more = {"outlines": instance_metrics(self.fields)} if self.outlines else {}
        return ScreeningDetails.of(detection_metrics(self.fields, self.classes) | more)

    @cached_property
    def found(self) -> FoundCells:
        """All found cells."""
        return FoundCells.of(FoundCell(**one) for one in found_cells(self.fields))

    def write_tables(self, detections: Path, fields: Path) -> None:
        """Write detections.csv and fields.csv."""
        self.found.write(detections)
        FieldScores(rows=tuple(FieldScore(**one) for one in field_scores(self.fields, self.classes))).write(fields)

    def write_plots(self, folder: Path) -> None:
        """Write precision_recall and counts to an existing folder, each as a table and as a figure."""
        rows, counts = precision_recall_rows(self.fields), count_rows(self.fields)
        write_table(folder / "precision_recall.csv", rows, PR_COLUMNS)
        write_table(folder / "counts.csv", counts, COUNT_COLUMNS)
        precision_recall_figure(folder / "precision_recall.png", rows)
        counts_figure(folder / "counts.png", counts)

    def write_figures(self, folder: Path) -> None:
        """Draw the worst, the median and the best field as `<field>.png` in an existing folder."""
        images = {field.id: image for field, image in zip(self.fields, self.images, strict=True)}
        for field in worst_median_best(self.fields).values():
            drawn = field_figure(read_rgb(images[field.id], self.reading)[0], field)
            (folder / f"{field.id}.png").write_bytes(encode_png(drawn))

    def write_thumbnails(self, fields: Path, cells: Path) -> None:
        """Write the first fields with their found cells drawn, and the most telling cells, to existing folders.

        Args:
            fields: for `<field>.png`, FIELDS at most.
            cells: for `<name>.png`, CELLS at most: the first of `FoundCells.telling`.
        """
        colours = class_colours(tuple(self.classes))
        wanted = defaultdict[str, list[FoundCell]](list)
        for cell in self.found.telling[:CELLS]:
            wanted[cell.field].append(cell)
        for place, (field, image) in enumerate(zip(self.fields, self.images, strict=True)):
            if place >= FIELDS and field.id not in wanted:
                continue
            with open_field(image, self.reading) as opened:
                if place < FIELDS:
                    cells_of_field = [(one.contour, colours.get(one.label, STRANGE)) for one in field.found]
                    (fields / f"{field.id}.png").write_bytes(encode_png(thumbnail_of(opened, cells_of_field)))
                for cell in wanted[field.id]:
                    left, top, right, bottom = cell.left, cell.top, cell.right, cell.bottom
                    crop = opened.read(
                        top - AROUND, left - AROUND, bottom - top + 2 * AROUND, right - left + 2 * AROUND
                    )
                    (cells / f"{cell.name}.png").write_bytes(encode_png(crop))
