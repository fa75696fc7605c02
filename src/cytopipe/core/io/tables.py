"""CSV and Markdown tables, in one format everywhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_table(path: Path, rows: Iterable[Mapping[str, object]], columns: Sequence[str] | None = None) -> None:
    """Write dictionaries as CSV; floats with six significant digits.

    Args:
        path: of the file.
        rows: all with the same keys.
        columns: their order; by default that of the first row.
    """
    path.write_bytes(table_bytes(rows, columns))


def table_bytes(rows: Iterable[Mapping[str, object]], columns: Sequence[str] | None = None) -> bytes:
    """The contents of the file that `write_table` writes."""
    listed, file = list(rows), io.StringIO(newline="")
    writer = csv.DictWriter(file, list(columns or listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in listed)
    return file.getvalue().encode()


def plain(value: object) -> object:
    """A value as the tables show it: a float with six significant digits, all else as it is."""
    return f"{value:.6g}" if isinstance(value, float) else value


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; the first is left-aligned, the others right."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(header)]
    pads = [str.ljust, *[str.rjust] * (len(header) - 1)]

    def line(row: Sequence[str]) -> str:
        padded = (pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(rule), *map(line, cells)]) + "\n"
