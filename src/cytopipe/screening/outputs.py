"""Outputs of a screened field: a table, GeoJSON, a picture and other formats, written cell by cell; all or none."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TextIO

from cytopipe.core.io.atomic import AtomicOutputs
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.results.unfamiliar import UNLIKE, UNLIKE_SCORE
from cytopipe.screening.coco import CocoWriter
from cytopipe.screening.geojson import GeoJsonWriter
from cytopipe.screening.ngff import LabelsWriter
from cytopipe.screening.picture import UNCLASSIFIED, Picture, class_colours
from cytopipe.screening.polygons import ring, well_known_text
from cytopipe.screening.screen import ScreenedCell

SUFFIXES = (".csv", ".geojson", ".png")
Also = Literal["coco", "ngff"]
FURTHER: dict[Also, str] = {"coco": ".coco.json", "ngff": ".labels.zarr"}  # suffix of each further format
_PLACE = ("cell", "left", "top", "right", "bottom", "area", "cut", "score")
_CLASS = ("class", "confidence", "uncertain")
_UNLIKE = (UNLIKE, UNLIKE_SCORE)  # where the classifier knows its training images
_OUTLINES = ("contour", "nucleus")


@dataclass
class Tally:
    """Counts of the cells of one or more fields.

    Attributes:
        classes: number of cells of each class; without a classifier, all are `UNCLASSIFIED`.
        uncertain: number of cells whose class is uncertain.
        cut: number of cells that the edge of the field cuts.
        unlike: number of cells that are unlike the classifier's training images, all of them uncertain; None: it does
            not know these.
    """

    classes: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    cut: int = 0
    unlike: int | None = None

    @classmethod
    def of(cls, classes: Sequence[str], is_familiar: bool = False) -> Tally:
        """A tally of no cells with these classes; `is_familiar`: the classifier knows its training images."""
        return cls(Counter(dict.fromkeys(classes or [UNCLASSIFIED], 0)), unlike=0 if is_familiar else None)

    @property
    def cells(self) -> int:
        """Number of all cells."""
        return self.classes.total()

    def add(self, screened: ScreenedCell) -> None:
        """Count a cell."""
        prediction = screened.prediction
        self.classes[prediction.predicted if prediction else UNCLASSIFIED] += 1
        self.uncertain += bool(prediction and prediction.uncertain)
        self.cut += screened.cell.cut
        if self.unlike is not None:
            self.unlike += bool(prediction and prediction.unlike)

    def include(self, other: Tally) -> None:
        """Count the cells of another field."""
        self.classes.update(other.classes)
        self.uncertain += other.uncertain
        self.cut += other.cut
        if self.unlike is not None:
            self.unlike += other.unlike or 0


def output_names(paths: Sequence[Path]) -> list[str]:
    """A unique name for the outputs of each field: its stem, preceded by as many parent folders as make it unique.

    Fields with the same folder and stem get their suffixes as well, and numbers if that is not enough.
    """
    names = [path.stem for path in paths]
    for depth in range(2, max((len(path.parts) for path in paths), default=0) + 1):
        for index in _repeated(names):
            names[index] = "_".join(part.strip("/\\:") for part in paths[index].with_suffix("").parts[-depth:])
    for index in _repeated(names):
        names[index] += paths[index].suffix.replace(".", "_")
    taken: set[str] = set()
    for index, name in enumerate(names):
        number = 2
        while names[index].casefold() in taken:
            names[index], number = f"{name}_{number}", number + 1
        taken.add(names[index].casefold())
    return names


def _repeated(names: Sequence[str]) -> list[int]:
    counts = Counter(name.casefold() for name in names)
    return [index for index, name in enumerate(names) if counts[name.casefold()] > 1]


def write_field(
    folder: Path,
    name: str,
    field: Field,
    screened: Iterable[ScreenedCell],
    classes: Sequence[str],
    is_familiar: bool = False,
    screening: str = "",
    also: Sequence[Also] = (),
    image: str = "",
) -> Tally:
    """Write `<name>.csv`, `<name>.geojson` and `<name>.png`; cells are numbered from 1 in the order of arrival.

    Args:
        folder: output folder, created if necessary.
        name: name of the field.
        field: the field, for the picture.
        screened: its cells; they are not kept in memory.
        classes: the classes in the classifier's order; empty without a classifier.
        is_familiar: whether the classifier knows its training images, which gives two more columns.
        screening: what the ids of cells are derived from: see `identity.screening_of`; empty: the name.
        also: further formats: see FURTHER.
        image: file name of the field, for formats that hold it; empty: the name.

    Returns:
        The counts of the cells.

    Raises:
        CytopipeError: the detector or classifier fails, or a file cannot be written; then none of them changes.
    """
    colours = class_colours(tuple(classes) or (UNCLASSIFIED,))
    tally = Tally.of(classes, is_familiar)
    picture = Picture(field, colours)
    try:
        with AtomicOutputs() as outputs, ExitStack() as files:
            table_path, json_path, picture_path = (outputs.path(folder / f"{name}{suffix}") for suffix in SUFFIXES)
            table = files.enter_context(table_path.open("w", newline="", encoding="utf-8"))
            rows = csv.DictWriter(table, columns_of(classes, is_familiar), lineterminator="\n")
            rows.writeheader()
            features = files.enter_context(json_path.open("w", encoding="utf-8"))
            writers: list[CellWriter] = [GeoJsonWriter(features, name, colours, screening)]
            for kind in dict.fromkeys(also):
                path = outputs.path(folder / f"{name}{FURTHER[kind]}")
                writers.append(_further(kind, path, field, colours, screening or name, image or name, files))
            for number, one in enumerate(screened, start=1):
                rows.writerow(row_of(number, one, classes))
                for writer in writers:
                    writer.add(number, one, classes)
                picture.add(number, one)
                tally.add(one)
            for writer in writers:
                writer.close()
            files.close()
            picture_path.write_bytes(encode_png(picture.finish()))
    except OSError as error:
        raise CytopipeError(f"cannot be written ({error.strerror})", where=folder) from None
    return tally


class CellWriter(Protocol):
    """Writes cells in one format, as they arrive."""

    def add(self, number: int, screened: ScreenedCell, classes: Sequence[str]) -> None:
        """Write a cell with its number in the field; `classes` are in the order of its probabilities."""

    def close(self) -> None:
        """Write the end."""


def _further(
    kind: Also,
    path: Path,
    field: Field,
    colours: Mapping[str, str],
    screening: str,
    image: str,
    files: ExitStack,
) -> CellWriter:
    size = field.height, field.width
    if kind == "coco":
        file: TextIO = files.enter_context(path.open("w", encoding="utf-8"))
        return CocoWriter(file, image, size, colours, screening)
    return LabelsWriter(path, size, colours, screening, field.pixel_size_um)


def columns_of(classes: Sequence[str], is_familiar: bool = False) -> list[str]:
    """Columns of the table."""
    of_class = (*_CLASS, *(f"p_{name}" for name in classes)) if classes else ()
    return [*_PLACE, *of_class, *(_UNLIKE if is_familiar else ()), *_OUTLINES]


def row_of(number: int, screened: ScreenedCell, classes: Sequence[str]) -> dict[str, object]:
    """A row of the table: box and area in pixels of the field, outlines as WKT, numbers with six significant digits."""
    cell, prediction = screened.cell, screened.prediction
    row: dict[str, object] = dict(
        zip(_PLACE, (number, *cell.box, cell.area, _yes(cell.cut), f"{cell.score:.6g}"), strict=True)
    )
    if prediction is not None:
        row |= {
            "class": prediction.predicted,
            "confidence": f"{prediction.confidence:.6g}",
            "uncertain": _yes(prediction.uncertain),
        }
        row |= {f"p_{name}": f"{value:.6g}" for name, value in zip(classes, prediction.probabilities, strict=True)}
        if prediction.unlike is not None and prediction.unlike_score is not None:
            row |= dict(zip(_UNLIKE, (_yes(prediction.unlike), f"{prediction.unlike_score:.6g}"), strict=True))
    row["contour"] = well_known_text(ring(cell.contour))
    row["nucleus"] = "" if cell.nucleus is None else well_known_text(ring(cell.nucleus))
    return row


def _yes(value: bool) -> str:
    return "true" if value else "false"
