"""Results of a screening: details.json, tables of detected cells and fields, and the list of all screenings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from cytopipe.core.io.tables import write_table
from cytopipe.core.params import Screening
from cytopipe.results.contract import Collection, Contract, Record
from cytopipe.results.numbers import Estimate, Estimates
from cytopipe.results.tables import Table

THUMBNAILS, TELLING = "thumbnails", "telling"  # folders of small pictures among the figures: fields, and cells


class CellClass(Record):
    """Annotated cells of one class: their number, the share found, and the share found with the right class."""

    cells: int
    found: Estimate
    named: Estimate


class MatchSettings(Record):
    """The rule by which a found cell matches an annotated cell, in words and numbers."""

    match: str
    edge: str
    naming: str
    least_iou: float
    edge_share: float


PARTS = ("boxes", "contours", "count", "naming", "outlines")


class ScreeningDetails(Contract):
    """Metrics of a screening.

    Attributes:
        boxes, contours: detection metrics by kind of overlap.
        count: errors of the number of cells in a field.
        naming: metrics of the predicted classes.
        per_class: metrics by class of the annotated cells.
        fields, groups, cells, found, at_edge: numbers of fields, groups, annotated cells, found cells, and found cells
            at the edge without a match.
        undefined: the reason why each undefined number is not defined.
        settings: the rule of matching.
        outlines: metrics of `metrics.instances`; absent from the file of a detector that was not trained on fields.
    """

    boxes: Estimates
    contours: Estimates
    count: Estimates
    naming: Estimates
    per_class: dict[str, CellClass]
    fields: int
    groups: int
    cells: int
    found: int
    at_edge: int
    undefined: dict[str, str]
    settings: MatchSettings
    outlines: Estimates | None = Field(None, exclude_if=lambda value: value is None)

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> Self:
        """Make the details from the result of `metrics.screening.detection_metrics`."""
        parts = {name: Estimate.of_all(measured[name]) for name in PARTS if name in measured}
        per_class = {
            label: CellClass(
                cells=values["cells"], found=Estimate.of(values["found"]), named=Estimate.of(values["named"])
            )
            for label, values in measured["per_class"].items()
        }
        rest = {name: value for name, value in measured.items() if name not in (*parts, "per_class")}
        return cls.model_validate({**rest, **parts, "per_class": per_class})


class FieldScore(Record):
    """Numbers of annotated, found and matched cells in one field, overall and by class; F1 is None if not defined."""

    field: str
    group: str
    true: int
    found: int
    at_edge: int
    matched: int
    matched_contours: int
    named: int
    f1: float | None
    true_of: dict[str, int]
    found_of: dict[str, int]


_COUNTS = ("true", "found", "at_edge", "matched", "matched_contours", "named")


_FIELD = ("field", "group", *_COUNTS, "f1")


class FieldScores(Record):
    """fields.csv: one row per field."""

    rows: tuple[FieldScore, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not of this type.
        """
        return cls._of(Table.read(path, _FIELD))

    @classmethod
    def parse(cls, data: bytes, where: str | Path) -> Self:
        """Check the content of a table that is stored elsewhere, such as in git; raises errors like `read`."""
        return cls._of(Table.parse(data, where, _FIELD))

    @classmethod
    def _of(cls, table: Table) -> Self:
        return cls(rows=tuple(_field(table, row) for row in table.rows))

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the N fields."""
        return tuple(row.field for row in self.rows)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of the N fields."""
        return tuple(row.group for row in self.rows)

    def write(self, path: Path) -> None:
        """Write the table."""
        rows = [
            {
                **row.model_dump(exclude={"true_of", "found_of"}),
                **{f"true_{label}": cells for label, cells in row.true_of.items()},
                **{f"found_{label}": cells for label, cells in row.found_of.items()},
            }
            for row in self.rows
        ]
        write_table(path, rows)


def _field(table: Table, row: dict[str, str]) -> FieldScore:
    def cells(kind: str) -> dict[str, int]:
        start = f"{kind}_"
        columns = [name for name in table.columns if name.startswith(start)]
        return {name.removeprefix(start): table.count(row, name) for name in columns}

    return FieldScore(
        field=row["field"],
        group=row["group"],
        **{name: table.count(row, name) for name in _COUNTS},
        f1=table.optional(row, "f1"),
        true_of=cells("true"),
        found_of=cells("found"),
    )


class FoundCell(Record):
    """One found cell: box in pixels, score, whether it counts, match with both overlaps, and predicted class.

    `match` is the id of an annotated cell and `true_class` its class; both are empty without a match. `confidence` is
    the calibrated probability of the predicted class, `abnormal` that of the abnormal classes together; None if it is
    not known, or no class is abnormal.
    """

    field: str
    left: int
    top: int
    right: int
    bottom: int
    score: float
    counts: bool
    match: str
    iou_boxes: float | None
    iou_contours: float | None
    label: str
    true_class: str
    confidence: float | None = None
    abnormal: float | None = None

    @property
    def name(self) -> str:
        """Of its picture, unique among the cells of a screening."""
        return f"{self.field}_{self.left}_{self.top}_{self.right}_{self.bottom}"


_BOX = ("left", "top", "right", "bottom")
_CELL = ("field", *_BOX, "score", "counts", "match", "iou_boxes", "iou_contours", "class", "true_class")
_SAID = ("confidence", "abnormal")  # absent from the tables of an earlier version


class FoundCells(Record):
    """detections.csv: one row per found cell."""

    rows: tuple[FoundCell, ...]

    @classmethod
    def of(cls, rows: Iterable[FoundCell]) -> Self:
        """Make a table of these cells."""
        return cls(rows=tuple(rows))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not of this type.
        """
        table = Table.read(path, _CELL)
        return cls.of(
            FoundCell(
                field=row["field"],
                **{side: table.count(row, side) for side in _BOX},
                score=table.number(row, "score"),
                counts=row["counts"] == "1",
                match=row["match"],
                iou_boxes=table.optional(row, "iou_boxes"),
                iou_contours=table.optional(row, "iou_contours"),
                label=row["class"],
                true_class=row["true_class"],
                **{name: table.optional(row, name) for name in _SAID if name in table.columns},
            )
            for row in table.rows
        )

    def write(self, path: Path) -> None:
        """Write the table; without cells it has only a header."""
        write_table(path, [self._row(cell) for cell in self.rows], (*_CELL, *_SAID))

    @cached_property
    def telling(self) -> Sequence[FoundCell]:
        """The most abnormal cell first; where no class is abnormal, the one that the classifier doubts most."""
        return sorted(self.rows, key=lambda cell: (_harmless(cell), cell.field, cell.top, cell.left, cell.name))

    @staticmethod
    def _row(cell: FoundCell) -> dict[str, object]:
        values = cell.model_dump(exclude={"label", "counts"})
        return {**values, "counts": int(cell.counts), "class": cell.label}


def _harmless(cell: FoundCell) -> float:
    return -cell.abnormal if cell.abnormal is not None else cell.confidence or 0.0


class Screenings(Collection[dict[str, Screening]]):
    """screenings.json: the parameters of every screening."""

    @classmethod
    def names(cls, path: Path) -> Sequence[str]:
        """Read the names of the screenings."""
        return list(cls.read(path).root)
