"""The table of the simulated reviewer in docs/review.md is that of the file that the benchmark wrote."""

from __future__ import annotations

from pathlib import Path

from review_table import PAGE, review_table, written

ROOT = Path(__file__).resolve().parents[2]
PAIRED = {"queue": 0.5, "random": 0.25, "difference": 0.25, "low": 0.1, "high": 0.4, "seeds won": 9}


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page == written(page, ROOT), "run: python docs/tools/review_table.py"


def test_each_measure_has_a_row_with_its_interval() -> None:
    lines = review_table({"cells": {"seeds": 10, "correcting, by suspicion": {"found": PAIRED}}}).splitlines()
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:2] == ["correcting, by suspicion", "share of wrong labels found"]
    assert cells[2:] == ["0.500", "0.250", "+0.250", "+0.100 to +0.400", "9 of 10"]
