"""CSV tables between stages: read as text by column, and checked for their shape."""

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
        """Read a table, see `parse`; a missing file is a CytopipeError too."""
        return cls.parse(read_bytes(path), path, needed)

    @classmethod
    def parse(cls, data: bytes, where: str | Path, needed: Sequence[str] = ()) -> Table:
        """Check the content of a table.

        Args:
            data: UTF-8 CSV with a header.
            where: the file, for error messages.
            needed: required columns.

        Raises:
            CytopipeError: if it is not a table, or lacks a required column.
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
        """The rows of a table that lacks these columns if it is empty.

        Raises:
            CytopipeError: if there are rows and a column is missing.
        """
        missing = [name for name in needed if name not in self.columns]
        if self.rows and missing:
            raise CytopipeError(f"columns are missing: {', '.join(missing)}", where=self.where, hint=BROKEN)
        return self.rows

    def number(self, row: Line, column: str) -> float:
        """A value as a finite number.

        Raises:
            CytopipeError: if it is not a finite number.
        """
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise CytopipeError(f"{column} is '{row[column]}', which is no number", where=self.where, hint=BROKEN)
        return value

    def optional(self, row: Line, column: str) -> float | None:
        """A value as a finite number, None if it is empty; raises errors like `number`."""
        return self.number(row, column) if row[column] else None

    def count(self, row: Line, column: str) -> int:
        """A value as an integer; raises errors like `number`."""
        return int(self.number(row, column))
