"""The table of suspects in docs/clinical.md is that of the file that the benchmark wrote."""

from __future__ import annotations

from pathlib import Path

from suspects_table import PAGE, suspects_table, written

ROOT = Path(__file__).resolve().parents[2]
ONE = {
    "images": 1200,
    "groups": 60,
    "balanced accuracy": 0.912,
    "withheld": None,
    "recall": 0.86,
    "precision": 0.5,
    "named": 0.07,
    "named without flips": 0.025,
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_a_row_says_what_was_found_or_that_it_is_withheld() -> None:
    lines = suspects_table({"cells": ONE, "poor": {**ONE, "withheld": "too often wrong"}}).splitlines()
    assert cells(lines[-2]) == ["cells", "1,200", "60", "0.912", "86%", "50%", "7.0%", "2.5%"]
    assert cells(lines[-1]) == ["poor", "1,200", "60", "0.912", *["withheld"] * 4]
