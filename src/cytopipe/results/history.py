"""history.csv of a training: one row per epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from cytopipe.core.io.tables import write_table
from cytopipe.results.contract import Record
from cytopipe.results.tables import Table


class TrainedEpoch(Record):
    """One epoch: its number (from 1), whether its weights were kept, and its measures in the order of the columns."""

    epoch: int
    best: bool
    measures: dict[str, float]


class History(Record):
    """The epochs of a training; none if there was nothing to train."""

    epochs: tuple[TrainedEpoch, ...]

    @classmethod
    def of(cls, epochs: Sequence[Mapping[str, float]]) -> Self:
        """Make a history from mappings that contain `epoch`, `best` and every measure."""
        return cls(
            epochs=tuple(
                TrainedEpoch(
                    epoch=int(one["epoch"]),
                    best=bool(one["best"]),
                    measures={name: float(value) for name, value in one.items() if name not in ("epoch", "best")},
                )
                for one in epochs
            )
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing or not of this type.
        """
        table = Table.read(path, ("epoch",))
        names = [name for name in table.columns if name not in ("epoch", "best")]
        return cls(
            epochs=tuple(
                TrainedEpoch(
                    epoch=table.count(row, "epoch"),
                    best=row["best"] == "1",
                    measures={name: table.number(row, name) for name in names},
                )
                for row in table.checked("best")
            )
        )

    def write(self, path: Path) -> None:
        """Write the table; without epochs it has only a header."""
        rows = [{"epoch": one.epoch, **one.measures, "best": int(one.best)} for one in self.epochs]
        write_table(path, rows, None if rows else ["epoch"])
