"""The measured tables of docs/evaluation.md are those of the files that the benchmarks wrote."""

from __future__ import annotations

from pathlib import Path

from measured_tables import PAGE, audit_table, gate_table, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_a_row_says_what_was_found_and_what_marks_tell() -> None:
    one = {
        "images": 1200,
        "planted": 25,
        "found": {"shifted": 24, "turned": 25},
        "other pairs": 0,
        "marks": {
            "none": {"verdict": "ok", "told": None},
            "number": {"verdict": "fail", "told": 0.984},
            "pixel": {"verdict": "warning", "told": 0.7},
        },
    }
    line = audit_table({"cells": one}).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["cells", "1,200", "24 of 25", "25 of 25", "0", "ok", "fail, 0.98", "warning, 0.70"]


def test_a_setting_is_a_row_of_shares() -> None:
    rows = [
        {"groups": 10, "images": 41, "icc": 0.1, "change": change, "refused": refused, "interval": 0.0}
        for change, refused in (("trained again", 0.008), ("lost a group", 1.0))
    ]
    line = gate_table({"rows": rows}).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["10 of 41", "0.1", "0.8% (0.0%)", "100.0% (0.0%)"]
