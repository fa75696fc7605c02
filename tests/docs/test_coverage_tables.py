"""The tables of coverage are those of the stored simulation, and it keeps what the page promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coverage_tables import PAGE, STORED, false_alarms, intervals, page

ROOT = Path(__file__).resolve().parents[2]
STORED_ROWS: dict[str, list[dict[str, Any]]] = json.loads((ROOT / STORED).read_text())


def test_the_page_holds_the_stored_tables() -> None:
    text = (ROOT / PAGE).read_text()
    assert page(text, STORED_ROWS) == text


def test_intervals_and_tests_keep_their_promise() -> None:
    """A thousand draws have a Monte-Carlo error of .007."""
    assert all(0.93 <= row["coverage"] <= 0.985 for row in STORED_ROWS["intervals"])
    assert all(row["cluster_t"] <= 0.07 for row in STORED_ROWS["tests"])


def test_one_row_by_hand() -> None:
    row = {
        "metric": "AUC", "groups": 5, "size": 40, "icc": 0.1, "share": 0.9, "prevalence": 0.3, "nested": True,
        "coverage": 0.95, "width": 0.123, "bootstrap_coverage": 0.8, "bootstrap_width": 0.05,
    }  # fmt: skip
    last = [cell.strip() for cell in intervals([row]).splitlines()[-1].strip("|").split("|")]
    assert last == ["AUC", "0.9, prevalence 0.3, a class per group", "0.1", "0.950 (0.123); 0.800 (0.05)"]
    alarm = {"groups": 5, "size": 40, "icc": 0.1, "cluster_t": 0.05, "bootstrap": 0.15}
    assert "| 5 x 40" in false_alarms([alarm]) and "0.150" in false_alarms([alarm])
