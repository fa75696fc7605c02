"""The reader of every table that people write: text with any separator and encoding, or an Excel workbook."""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cytopipe.adapters.alike import alike, nearest
from cytopipe.adapters.table_bounds import bounded_workbook, check_parts, read_table_file
from cytopipe.adapters.table_excel import Sheet, sheets
from cytopipe.adapters.table_text import Record, decode, records
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm")  # of files that are taken for tables
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})
_SHORTENED = re.compile(r"\d[.,]\d+E[+-]\d+")
_SAVE = "open it and save it as CSV UTF-8 or as .xlsx"
# What a file begins with -> what it is, and what to do.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls), or one with a password", _SAVE),
    (b"%PDF", "a PDF", "export the table as CSV"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"PAR1", "a Parquet file", "export it as CSV"),
    (b"SQLite format 3", "a database (SQLite)", "export the table as CSV"),
    (b"version https://git-lfs", "a pointer of git LFS, not the table itself", "run: git lfs pull"),
    (b"{\\rtf", "a document (RTF)", "save the table as CSV"),
)
_MARKUP = ((b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<table", "HTML"), (b"<?xml", "XML"), (b"{", "JSON"))
Row = tuple[int, dict[str, str]]  # line (in Excel: row), and the value of every column


def read_table(
    path: Path, columns: Sequence[str] = (), hint: str = "", *, encoding: str | None = None, sheet: str | None = None
) -> Iterator[Row]:
    """Rows of a table by the names of its columns; values are stripped, rows without any value are left out.

    A table is text separated by commas, semicolons, tabs or `|`, in UTF-8, UTF-16 or Windows-1252, or an .xlsx
    workbook; the content decides, not the suffix. Empty columns at the right are ignored.

    Args:
        path: the table.
        columns: those that must be there; they may be written in other case or spacing than in the table.
        hint: for a table or column that is missing.
        encoding: of text; None finds it.
        sheet: of a workbook; None takes the one sheet that holds the columns.

    Yields:
        The line that the row begins in, and its values; the keys of `columns` are as asked for.

    Raises:
        CytopipeError: for a missing file, another kind of file, a column that is missing (the message names those
            there are) or appears twice, and a row with more or fewer values than the header.
    """
    found = read_records(path, columns, hint, encoding=encoding, sheet=sheet)
    found = [(line, row) for line, row in found if any(row)]
    names = _names(path, found, columns, hint)
    least = len(_trimmed(names))
    for line, row in found[1:]:
        values = [*row[: len(names)], *(value for value in row[len(names) :] if value)]
        if least <= len(values) < len(names):
            values += [""] * (len(names) - len(values))
        if len(values) != len(names):
            raise CytopipeError(
                f"this row has another number of values than the header ({len(values)} for {least} columns)",
                where=f"{path}:{line}",
                hint="quote values that hold the separator, and give every row as many values as the header",
            )
        yield line, _checked(dict(zip(names, values, strict=True)), columns, f"{path}:{line}")


def columns_of(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> list[str]:
    """Names in the header, without empty columns at the right; empty for an empty table.

    Raises:
        CytopipeError: as `read_table`.
    """
    found = read_records(path, encoding=encoding, sheet=sheet)
    return _trimmed(next((row for _, row in found if any(row)), []))


def read_records(
    path: Path, columns: Sequence[str] = (), hint: str = "", *, encoding: str | None = None, sheet: str | None = None
) -> list[Record]:
    """Rows of a table, its header and blank rows too, as lists of stripped values with the line that each begins in.

    Args:
        path, hint, encoding, sheet: as for `read_table`.
        columns: names by which the separator and the sheet are found.

    Raises:
        CytopipeError: for a missing file and for another kind of file.
    """
    try:
        data = read_table_file(path)
    except OSError:
        kind = "CSV" if path.suffix.lower() == ".csv" else "table"
        raise CytopipeError(f"no such {kind}", where=path, hint=hint or _tables_beside(path)) from None
    if data.startswith(b"PK"):
        return _from_workbook(path, data, columns, sheet)
    _refuse_others(path, data)
    return records(decode(data, path, encoding), path, columns)


def _tables_beside(path: Path) -> str | None:
    if not path.parent.is_dir():
        return None
    there = sorted(file for file in path.parent.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    names = [file.relative_to(path.parent).as_posix() for file in there]
    return f"there is: {', '.join(nearest(path.name, names) or names[:3])}" if names else None


def _refuse_others(path: Path, data: bytes) -> None:
    head = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, kind, hint in _OTHERS:
        if data.startswith(beginning):
            raise CytopipeError(f"this is {kind}, not a table of text or an .xlsx workbook", where=path, hint=hint)
    for beginning, kind in _MARKUP:
        if head.startswith(beginning):
            raise CytopipeError(
                f"this is {kind}, not a table of text or an .xlsx workbook",
                where=path,
                hint=f"if it was downloaded, a web page came in its place; else {_SAVE}",
            )


def _from_workbook(path: Path, data: bytes, columns: Sequence[str], wanted: str | None) -> list[Record]:
    check_parts(data, path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = set(archive.namelist())
    except zipfile.BadZipFile:
        raise CytopipeError("the file is damaged or incomplete", where=path, hint="copy it anew") from None
    if "xl/workbook.xml" not in parts:
        known = {"content.xml": "an OpenDocument table (.ods)", "xl/workbook.bin": "a binary workbook (.xlsb)"}
        kind = next((kind for part, kind in known.items() if part in parts), "a zip archive")
        if any(part.endswith(".iwa") for part in parts):
            kind = "a table of Apple Numbers"
        raise CytopipeError(f"this is {kind}, not a table of text or an .xlsx workbook", where=path, hint=_SAVE)
    if path.suffix.lower() not in (".xlsx", ".xlsm"):
        logger.info("%s: is an Excel workbook, whatever its name, and read as such", path)
    with bounded_workbook(data, path):
        filled = sheets(data, path)
    if not filled:
        return []
    chosen = _chosen(path, filled, columns, wanted)
    _tell(path, chosen, columns)
    return chosen.records


def _chosen(path: Path, filled: list[Sheet], columns: Sequence[str], wanted: str | None) -> Sheet:
    """The sheet that is asked for, else the only one that is shown and has all columns, else the first."""
    quoted = ", ".join(f"'{sheet.name}'" for sheet in filled)
    if wanted is not None:
        for sheet in filled:
            if sheet.name.strip() == wanted.strip():
                return sheet
        raise CytopipeError(f"no sheet '{wanted}' with content", where=path, hint=f"there is: {quoted}")
    shown = [sheet for sheet in filled if not sheet.hidden] or filled
    keys = {alike(name) for name in columns}
    having = [sheet for sheet in shown if keys and keys <= {alike(name) for name in _header(sheet)}]
    if len(having) > 1:
        raise CytopipeError(
            f"{len(having)} sheets hold a table: {', '.join(f'{sheet.name!r}' for sheet in having)}",
            where=path,
            hint="name one in options.csv_sheet, or keep one sheet in the file",
        )
    chosen = having[0] if having else shown[0]
    if len(filled) > 1:
        logger.warning("%s: read the sheet '%s' of %s (options.csv_sheet takes another)", path, chosen.name, quoted)
    return chosen


def _header(sheet: Sheet) -> list[str]:
    return next(row for _, row in sheet.records if any(row))


def _tell(path: Path, sheet: Sheet, columns: Sequence[str]) -> None:
    """Log what Excel may have changed or hidden."""
    asked = {alike(name) for name in columns}
    header = _header(sheet)
    for column, cell in sheet.dates.items():
        if alike(header[column]) in asked:
            logger.warning(
                "%s: the column '%s' holds dates, first in %s; Excel turns ids such as 3-4 or MAR1 into dates, which "
                "cannot be turned back: type them as text where that happened",
                *(path, header[column], cell),
            )
    if sheet.hidden_rows:
        logger.warning("%s: %d rows that Excel hides (a filter?) are read too", path, sheet.hidden_rows)
    if sheet.formulas:
        logger.warning(
            "%s: %d formulas were saved without their results, first %s, and read as empty: open the file in Excel "
            "and save it",
            *(path, len(sheet.formulas), sheet.formulas[0]),
        )


def _trimmed(row: Sequence[str]) -> list[str]:
    last = max((index for index, name in enumerate(row) if name), default=-1)
    return list(row[: last + 1])


def _names(path: Path, found: Sequence[Record], columns: Sequence[str], hint: str) -> list[str]:
    """Names of the columns, those asked for as they are asked for; empty columns at the right have none."""
    names = list(found[0][1]) if found else []
    for wanted in columns:
        if wanted in names:
            continue
        same = [index for index, name in enumerate(names) if alike(name) == alike(wanted) and name not in columns]
        if len(same) == 1:
            logger.info("%s: the column '%s' is taken for '%s'", path, names[same[0]], wanted)
            names[same[0]] = wanted
    if missing := [name for name in columns if name not in names]:
        there = ", ".join(map(repr, _trimmed(names))) or "none"
        lower = next((line for line, row in found[1:20] if set(columns) <= set(row)), None)
        raise CytopipeError(
            f"no column {', '.join(map(repr, missing))}; it has {there}",
            where=path,
            hint=f"the header stands in line {lower}: remove the lines above it"
            if lower
            else hint or "rename the column, or name it in the dataset's options",
        )
    count = Counter(names)
    if twice := [name for name in columns if count[name] > 1]:
        raise CytopipeError(f"the column '{twice[0]}' stands twice", where=path, hint="rename one of them")
    return names


def _checked(row: dict[str, str], columns: Sequence[str], where: str) -> dict[str, str]:
    for name in columns:
        if _SHORTENED.fullmatch(row[name]):
            raise CytopipeError(
                f"the column '{name}' holds {row[name]}, a long number that a spreadsheet shortened",
                where=where,
                hint="its digits are lost: type it anew in a column that is formatted as text",
            )
        if row[name] in _ERRORS:
            raise CytopipeError(
                f"the column '{name}' holds {row[name]}, an error of Excel", where=where, hint="correct the cell"
            )
    return row
