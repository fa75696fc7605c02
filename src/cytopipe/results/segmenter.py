"""Results of a segmenter: details.json, and predictions.csv with the metrics of every test image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field

from cytopipe.core.io.tables import write_table
from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimates
from cytopipe.results.tables import Table


class SegmenterSubgroup(Record):
    """The means over the test images with one value of an attribute, such as the site, by key of the registry."""

    attribute: str
    value: str
    images: int
    groups: int
    metrics: Estimates


class SegmenterDetails(Contract):
    """The evaluation of a segmenter on test images with true masks; there may be none.

    Attributes:
        dataset: name of the dataset of the test images.
        images, groups: numbers of tested images and groups.
        metrics: means over images, by key of the registry.
        distribution: quantiles of each metric by share of images; None if it is defined for no image.
        undefined: number of images for which a metric is not defined, by metric.
        subgroups: of images with attributes; absent from the file of others.
    """

    dataset: str
    images: int
    groups: int
    metrics: Estimates
    distribution: dict[str, dict[str, float] | None]
    undefined: dict[str, int]
    subgroups: tuple[SegmenterSubgroup, ...] = Field((), exclude_if=lambda value: not value)


class MaskScores(Record):
    """Metrics of one test image; None for a metric that is not defined."""

    id: str
    group: str
    scores: dict[str, float | None]


class SegmenterPredictions(Record):
    """predictions.csv of a segmenter: one row per test image with a true mask, sorted by id."""

    rows: tuple[MaskScores, ...]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Make the table from mappings that contain `id`, `group` and every metric."""
        return cls(
            rows=tuple(
                MaskScores(
                    id=row["id"],
                    group=row["group"],
                    scores={name: value for name, value in row.items() if name not in ("id", "group")},
                )
                for row in rows
            )
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not of this type.
        """
        return cls._of(Table.read(path, ("id",)))

    @classmethod
    def parse(cls, data: bytes, where: str | Path) -> Self:
        """Check the content of a table that is stored elsewhere; raises errors like `read`."""
        return cls._of(Table.parse(data, where, ("id",)))

    @classmethod
    def _of(cls, table: Table) -> Self:
        names = [name for name in table.columns if name not in ("id", "group")]
        return cls(
            rows=tuple(
                MaskScores(id=row["id"], group=row["group"], scores={name: table.optional(row, name) for name in names})
                for row in table.checked("group")
            )
        )

    def write(self, path: Path) -> None:
        """Write the table; without test images it has only a header."""
        rows = [{"id": row.id, "group": row.group, **row.scores} for row in self.rows]
        write_table(path, rows, None if rows else ["id"])

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the N images."""
        return tuple(row.id for row in self.rows)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of the N images."""
        return tuple(row.group for row in self.rows)

    @cached_property
    def known(self) -> dict[str, np.ndarray]:
        """N values of each metric that is defined for every image."""
        names = self.rows[0].scores if self.rows else ()
        columns = {name: [row.scores[name] for row in self.rows] for name in names}
        return {name: np.array(values, float) for name, values in columns.items() if None not in values}
