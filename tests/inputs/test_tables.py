"""Tables as Excel, pandas, LibreOffice and people write them: read as they are meant, or refused with what to do."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from files_of_people import names, table, tree
from organized import Outcome, organized

FILES = [Path(name).name for name in names({"images": 16})]
LABELS = [("normal", "abnormal")[number % 2] for number in range(16)]
PATIENTS = [f"P{number // 2}" for number in range(16)]
HEADER = ("image", "label", "patient")
ROWS = list(zip(FILES, LABELS, PATIENTS, strict=True))
OPTIONS = {"csv": "labels.csv", "images": "images", "group": "patient"}
EIGHT = {"abnormal": 8, "normal": 8}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Sixteen images in images/, without a table."""
    return tree(tmp_path / "cells", names({"images": 16}))


def taken(cells: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> Outcome:
    return organized(cells, cells.parent / "work", caplog, options=OPTIONS | options)


def right(found: Outcome) -> None:
    assert found.refusal == ""
    assert found.classes == EIGHT
    assert found.groups == {f"P{number}": 2 for number in range(8)}


def lines(separator: str, rows: Sequence[Sequence[str]] = (HEADER, *ROWS), ending: str = "\n") -> str:
    return "".join(separator.join(row) + ending for row in rows)


TEXTS: dict[str, bytes] = {
    "commas": lines(",").encode(),
    "semicolons": lines(";").encode(),
    "tabs": lines("\t").encode(),
    "pipes": lines("|").encode(),
    "sep= for Excel": ("sep=;\n" + lines(";")).encode(),
    "sep= of a tab, quoted": ('"sep=\t"\r\n' + lines("\t", ending="\r\n")).encode(),
    "sep= that Excel saved with empty columns": ("sep=;;;\r\n" + lines(";", ending="\r\n")).encode(),
    "BOM": lines(";").encode("utf-8-sig"),
    "UTF-16 of Excel, Unicode text": lines("\t", ending="\r\n").encode("utf-16"),
    "UTF-16 big-endian with its mark": b"\xfe\xff" + lines(",").encode("utf-16-be"),
    "UTF-16 without a mark": lines(",").encode("utf-16-le"),
    "UTF-16 big-endian without a mark": lines(";").encode("utf-16-be"),
    "UTF-32": lines(",").encode("utf-32"),
    "old Mac line ends": lines(",", ending="\r").encode(),
    "an end mark of DOS": lines(",", ending="\r\n").encode() + b"\x1a",
    "blank rows below": (lines(",") + ",,\n" * 5 + "\n\n").encode(),
    "blank rows between and above": ("\n,,\n" + lines(",").replace("\n", "\n,,\n")).encode(),
    "rows of spaces": (lines(",") + " , ,\t\n   \n").encode(),
    "empty columns at the right": lines(",", ending=",,,\n").encode(),
    "empty columns in the rows alone": (lines(",", [HEADER]) + lines(",", ROWS, ending=",,\n")).encode(),
    "empty columns in the header alone": (lines(",", [HEADER], ending=",,\n") + lines(",", ROWS)).encode(),
    "every value in quotes": lines(";", [[f'"{value}"' for value in row] for row in (HEADER, *ROWS)]).encode(),
    "an id kept as text by a formula": lines(",", [HEADER, *((f'="{a}"', b, f'="{c}"') for a, b, c in ROWS)]).encode(),
    "an index of pandas": lines(",", [("", *HEADER), *((str(n), *row) for n, row in enumerate(ROWS))]).encode(),
    "a note that holds other separators": lines(
        ";", [(*HEADER, "note, free"), *((*row, "a, b|c, d, e, f") for row in ROWS)]
    ).encode(),
    "a note of two lines": lines(
        ",", [(*HEADER, "note"), *((*row, '"two\nlines, ""quoted"""') for row in ROWS)]
    ).encode(),
    "a header in other case": lines(",", [("Image", " LABEL ", "Patient"), *ROWS]).encode(),
    "a header with a no-break space": lines(",", [("image\u00a0", "label", "\u200bpatient"), *ROWS]).encode(),
    "quotes after spaces": lines(", ", [[f'"{value}"' for value in row] for row in (HEADER, *ROWS)]).encode(),
    "whole rows in quotes": "".join(f'"{",".join(row)}"\n' for row in (HEADER, *ROWS)).encode(),
    "whole rows in quotes, quoted within": "".join(
        f'"{row[0]};""{row[1]}"";{row[2]}"\n' for row in (HEADER, *ROWS)
    ).encode(),
    "spaces around": lines(" , ").encode(),
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("name", ["labels.csv"])
def test_text_of_any_program_is_read(name: str, content: bytes, cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    (cells / "labels.csv").write_bytes(content)
    right(taken(cells, caplog))


@pytest.mark.parametrize("name", ["labels.tsv", "labels.txt", "Labels.CSV", "labels", "sub/labels.csv"])
def test_the_suffix_does_not_matter(name: str, cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    table(cells / name, [HEADER, *ROWS], "\t")
    right(taken(cells, caplog, csv=name))


def test_windows_1252_is_read_and_said(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(a, b.replace("abnormal", "auffällig"), c) for a, b, c in ROWS]
    table(cells / "labels.csv", [HEADER, *rows], ";", "cp1252")
    found = taken(cells, caplog)
    assert found.classes == {"auffällig": 8, "normal": 8}
    assert "labels.csv: not UTF-8, read as Windows-1252 (cp1252); is this right: 'auffällig'?" in found.log


@pytest.mark.parametrize(
    ("encoding", "word"), [("gbk", "异常细胞"), ("cp1251", "норма"), ("cp932", "異常細胞"), ("big5", "異常細胞")]
)
def test_other_encodings_are_named_in_an_option(
    encoding: str, word: str, cells: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(a, b.replace("abnormal", word), c) for a, b, c in ROWS]
    table(cells / "labels.csv", [HEADER, *rows], ",", encoding)
    assert "name its encoding in options.csv_encoding" in taken(cells, caplog).refusal
    assert taken(cells, caplog, csv_encoding=encoding).classes == {"normal": 8, word: 8}


# Excel.


def workbook(
    path: Path, sheets: dict[str, list[Sequence[object]]], change: Callable[[Any], None] = lambda book: None
) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    change(book)
    book.save(path)


def far_format(book: Any) -> None:
    """Excel keeps formats of cells that nobody filled."""
    book.active.cell(1_048_576, 16_384).number_format = "000"


def merge_patients(book: Any) -> None:
    sheet = book.active
    for row in range(2, 18, 2):
        sheet.merge_cells(start_row=row, start_column=3, end_row=row + 1, end_column=3)


def hide_notes(book: Any) -> None:
    book["old"].sheet_state = "hidden"


TABLE: list[Sequence[object]] = [HEADER, *ROWS]
NUMBERS: list[Sequence[object]] = [HEADER, *((a, b, (7, 7.0)[n % 2] + n // 2) for n, (a, b, _) in enumerate(ROWS))]
BOOKS: dict[str, tuple[dict[str, list[Sequence[object]]], Callable[[Any], None]]] = {
    "one sheet": ({"Sheet1": TABLE}, lambda book: None),
    "an empty sheet before": ({"Tabelle1": [], "Tabelle2": TABLE}, lambda book: None),
    "notes beside": ({"Notes": [["stained in May"]], "Cells": TABLE}, lambda book: None),
    "blank rows": (
        {"S": [[], HEADER, *(row for pair in zip(ROWS, [()] * 16, strict=True) for row in pair)]},
        lambda book: None,
    ),
    "a format far away": ({"S": TABLE}, far_format),
    "merged cells": ({"S": TABLE}, merge_patients),
    "a hidden copy": ({"Cells": TABLE, "old": TABLE}, hide_notes),
    "empty columns": ({"S": [(*row, None, "", None) for row in TABLE]}, lambda book: None),
}


@pytest.mark.parametrize(("sheets", "change"), BOOKS.values(), ids=list(BOOKS))
def test_a_workbook_of_excel_is_read(
    sheets: dict[str, list[Sequence[object]]],
    change: Callable[[Any], None],
    cells: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    workbook(cells / "labels.xlsx", sheets, change)
    right(taken(cells, caplog, csv="labels.xlsx"))


def test_whole_numbers_have_no_fraction(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    workbook(cells / "labels.xlsx", {"S": NUMBERS})
    found = taken(cells, caplog, csv="labels.xlsx")
    assert found.groups == {str(number): 2 for number in range(7, 15)}


def test_a_workbook_that_is_called_csv_is_read_and_said(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    workbook(cells / "labels.csv", {"S": TABLE})
    found = taken(cells, caplog)
    right(found)
    assert "labels.csv: is an Excel workbook, whatever its name" in found.log


def test_a_sheet_is_named_where_two_hold_a_table(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    relabelled: list[Sequence[object]] = [HEADER, *((a, "all", c) for a, b, c in ROWS)]
    workbook(cells / "labels.xlsx", {"final": TABLE, "first try": relabelled})
    refusal = taken(cells, caplog, csv="labels.xlsx").refusal
    assert "labels.xlsx: 2 sheets hold a table: 'final', 'first try'\n  -> name one in options.csv_sheet" in refusal
    right(taken(cells, caplog, csv="labels.xlsx", csv_sheet="final"))
    assert (
        "no sheet 'Final' with content\n  -> there is: 'final', 'first try'"
        in taken(cells, caplog, csv="labels.xlsx", csv_sheet="Final").refusal
    )


def test_dates_in_an_id_are_said(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(a, b, datetime.datetime(2024, 3, 1 + n // 2)) for n, (a, b, _) in enumerate(ROWS)]
    workbook(cells / "labels.xlsx", {"S": [HEADER, *rows]})
    found = taken(cells, caplog, csv="labels.xlsx")
    assert found.groups == {f"2024-03-{number:02}": 2 for number in range(1, 9)}
    assert "the column 'patient' holds dates, first in C2; Excel turns ids such as 3-4" in found.log


# What is refused, with where and what to do.


def zipped(member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, "<x/>")
    return buffer.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "more values": (
        (lines(",") + "c.png,normal,P1,left,over\n").encode(),
        "labels.csv:18: this row has another number",
    ),
    "fewer values": ((lines(",") + "c.png,normal\n").encode(), "labels.csv:18: this row has another number"),
    "fewer values below a note of two lines": (
        (lines(",", [HEADER]) + '"c000.png",normal,"P\n0"\nc001.png\n').encode(),
        "labels.csv:4: this row has another",
    ),
    "fewer values below blank rows": ((lines(",", [HEADER]) + ",,\n\nc001.png\n").encode(), "labels.csv:4: this row"),
    "a quote that is not closed": (
        (lines(",", [HEADER]) + '"c000.png,normal,P0\nx,y,z\n').encode(),
        "labels.csv:2: not a CSV",
    ),
    "an empty file": (b"", "labels.csv: no column 'image', 'label', 'patient'; it has none"),
    "the header alone": (lines(",", [HEADER]).encode(), "16 images have no row"),
    "a title above the header": (
        ("Cells of May,,\n\n" + lines(",")).encode(),
        "the header stands in line 3: remove the lines above",
    ),
    "another column": (
        lines(",", [("file", "label", "patient"), *ROWS]).encode(),
        "no column 'image'; it has 'file', 'label', 'patient'",
    ),
    "a column twice": (
        lines(",", [(*HEADER, "label"), *((*row, "x") for row in ROWS)]).encode(),
        "the column 'label' stands twice",
    ),
    "a web page": (
        b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
        "labels.csv: this is HTML, not a table of text",
    ),
    "a table of HTML that is called .xls": (b"\r\n<table><tr><td>image</td></tr></table>", "labels.csv: this is HTML"),
    "XML": (b"<?xml version='1.0'?><Workbook/>", "labels.csv: this is XML"),
    "an old Excel file": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "an old Excel file (.xls), or one with a password, not a table of text or an .xlsx workbook\n"
        "  -> open it and save it as CSV UTF-8 or as .xlsx",
    ),
    "OpenDocument": (zipped("content.xml"), "this is an OpenDocument table (.ods)"),
    "Numbers": (zipped("Index/Document.iwa"), "this is a table of Apple Numbers"),
    "a zip archive": (zipped("cells/a.png"), "this is a zip archive, not a table"),
    "half a workbook": (zipped("xl/workbook.xml")[:40], "the file is damaged or incomplete"),
    "a broken workbook": (zipped("xl/workbook.xml"), "the Excel workbook cannot be read"),
    "a pointer of LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "gzip": (
        b"\x1f\x8b\x08" + bytes(20),
        "compressed (gzip), not a table of text or an .xlsx workbook\n  -> unpack it",
    ),
    "a PDF": (b"%PDF-1.7\n", "this is a PDF"),
    "a number that Excel shortened": (
        (lines(",", [HEADER]) + "c000.png,normal,1.23457E+14\n").encode(),
        "labels.csv:2: the column 'patient' holds 1.23457E+14, a long number that a spreadsheet shortened",
    ),
    "an error of Excel": (
        (lines(",", [HEADER]) + "c000.png,#N/A,P1\n").encode(),
        "labels.csv:2: the column 'label' holds #N/A",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_table_is_refused(
    content: bytes, message: str, cells: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (cells / "labels.csv").write_bytes(content)
    found = taken(cells, caplog)
    assert message in found.refusal
    assert not found.rows


def test_a_table_that_is_not_there_comes_with_those_that_are(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    table(cells / "tables/Labels_final.csv", [HEADER, *ROWS])
    refusal = taken(cells, caplog).refusal
    assert "labels.csv: no such CSV\n  -> there is: tables/Labels_final.csv" in refusal


def test_a_formula_without_its_result_is_said(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[Sequence[object]] = [(a, b, '="P" & "1"') for a, b, _ in ROWS]
    workbook(cells / "labels.xlsx", {"S": [HEADER, *rows]})
    found = taken(cells, caplog, csv="labels.xlsx")
    assert "labels.xlsx:2: the group is empty" in found.refusal
    assert "16 formulas were saved without their results, first C2" in found.log
