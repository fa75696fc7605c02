"""The table of patients in docs/clinical.md is that of the file that the benchmark wrote."""

from __future__ import annotations

from pathlib import Path

from patients_table import PAGE, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page
