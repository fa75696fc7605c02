"""Tables of Excel (.xlsx): the sheets of a workbook as rows of text, as a person sees them."""

from __future__ import annotations

import io
import logging
import re
import warnings
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytopipe.adapters.table_text import Record
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

logger = logging.getLogger("cytopipe")


@dataclass(frozen=True)
class Sheet:
    """A sheet with content.

    Attributes:
        name: on its tab.
        records: its rows that hold a value, with their numbers in Excel, each at least as wide as the first.
        dates: index of each column that holds dates -> the first such cell, such as "C5".
        hidden: whether Excel hides the sheet.
        hidden_rows: rows that Excel hides, as a filter does; they are among `records`.
        formulas: cells whose formula was saved without its result, such as "B2"; they are empty in `records`.
    """

    name: str
    records: list[Record]
    dates: dict[int, str]
    hidden: bool
    hidden_rows: int
    formulas: list[str]


def sheets(data: bytes, path: Path) -> list[Sheet]:
    """The sheets of a workbook that hold anything, in the order of their tabs.

    Whole numbers are written without a fraction and with the zeros that the format of their cell shows (`000`); dates
    as 2024-03-31; a merged cell's value stands in each cell that it covers.

    Raises:
        CytopipeError: for a file that openpyxl cannot read.
    """
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
            book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
            formulas = openpyxl.load_workbook(io.BytesIO(data)) if _has_formulas(data) else None
    except Exception as error:  # openpyxl raises whatever its parsers do
        raise CytopipeError(
            f"the Excel workbook cannot be read ({type(error).__name__}: {error})",
            where=path,
            hint="open it in Excel and save it again, or save the sheet as CSV UTF-8",
        ) from None
    found = (_sheet(sheet, formulas[sheet.title] if formulas else None) for sheet in book.worksheets)
    return [sheet for sheet in found if sheet.records]


def _has_formulas(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(re.search(rb"<f[ >]", archive.read(name)) for name in names if name.endswith(".xml"))


def _sheet(sheet: Worksheet, formulas: Worksheet | None) -> Sheet:
    cells = _filled(sheet)
    rows: dict[int, dict[int, str]] = {}
    dates: dict[int, str] = {}
    for (row, column), cell in cells.items():
        rows.setdefault(row, {})[column] = _text(cell.value, cell.number_format)
        if isinstance(cell.value, (datetime, date, time)):
            dates.setdefault(column - 1, cell.coordinate)
    unsolved = [] if formulas is None else [cell for place, cell in _filled(formulas).items() if place not in cells]
    width = max(rows[min(rows)], default=0) if rows else 0  # of the header
    records = []
    for number in sorted(rows):
        values = rows[number]
        records.append((number, [values.get(column, "") for column in range(1, max(width, *values) + 1)]))
    return Sheet(
        sheet.title,
        records,
        dates,
        hidden=sheet.sheet_state != "visible",
        hidden_rows=sum(bool(sheet.row_dimensions[number].hidden) for number in rows if number in sheet.row_dimensions),
        formulas=[cell.coordinate for cell in unsolved],
    )


def _filled(sheet: Worksheet) -> dict[tuple[int, int], Any]:
    """Row and column of every cell that shows a value -> the cell that holds it, in the order of the rows.

    What openpyxl holds is walked instead of the rectangle that it spans: formats alone can span a million rows.
    """
    held = sheet._cells  # the public ways make a cell for every place of the rectangle
    cells = {place: cell for place, cell in sorted(held.items()) if _text(cell.value, cell.number_format)}
    for area in sheet.merged_cells.ranges:
        if first := cells.get((area.min_row, area.min_col)):
            cells |= dict.fromkeys(area.cells, first)
    return dict(sorted(cells.items()))


def _text(value: object, number_format: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        zeros = re.fullmatch(r"0+", number_format or "")
        return f"{value:0{len(zeros[0])}d}" if zeros else str(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value).strip()
