"""CSV tables as they cross stages: read as text by column, checked for their shape."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.results.contract import BROKEN, read_bytes

Line = dict[str, str]  # the text of a row, by column


@dataclass(frozen=True)
class Table:
    """A table as text: its columns, and one mapping per row."""

    columns: tuple[str, ...]
    rows: Sequence[Line]
    where: str | Path

    @classmethod
    def read(cls, path: Path, needed: Sequence[str] = ()) -> Table:
        """Read a table; `parse` says how, and raises for a missing file too."""
        return cls.parse(read_bytes(path), path, needed)

    @classmethod
    def parse(cls, data: bytes, where: str | Path, needed: Sequence[str] = ()) -> Table:
        """Check the content of a table.

        Args:
            data: UTF-8 CSV with a header.
            where: what an error calls the file.
            needed: columns that must be there.

        Raises:
            CytopipeError: when it is no table, or lacks a needed column.
        """
        try:
            lines = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
        except (ValueError, csv.Error):
            raise CytopipeError("unreadable file", where=where, hint=BROKEN) from None
        if not lines or any(len(line) != len(lines[0]) for line in lines):
            raise CytopipeError("not a table", where=where, hint=BROKEN)
        header = tuple(lines[0])
        if missing := [name for name in needed if name not in header]:
            raise CytopipeError(f"columns are missing: {', '.join(missing)}", where=where, hint=BROKEN)
        return cls(header, [dict(zip(header, line, strict=True)) for line in lines[1:]], where)

    def checked(self, *needed: str) -> Sequence[Line]:
        """The rows of a table that may be empty, and then lacks these columns.

        Raises:
            CytopipeError: when there are rows and a column is missing.
        """
        missing = [name for name in needed if name not in self.columns]
        if self.rows and missing:
            raise CytopipeError(f"columns are missing: {', '.join(missing)}", where=self.where, hint=BROKEN)
        return self.rows

    def number(self, row: Line, column: str) -> float:
        """A value as a finite number.

        Raises:
            CytopipeError: when it is none.
        """
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise CytopipeError(f"{column} is '{row[column]}', which is no number", where=self.where, hint=BROKEN)
        return value

    def optional(self, row: Line, column: str) -> float | None:
        """A value as a number; None for an empty one. Raises as `number` does."""
        return self.number(row, column) if row[column] else None

    def count(self, row: Line, column: str) -> int:
        """A value as a whole number. Raises as `number` does."""
        return int(self.number(row, column))
