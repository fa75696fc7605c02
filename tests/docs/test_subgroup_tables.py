"""The table of subgroups is that of the stored simulation, and it keeps what the page promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from subgroup_tables import PAGE, STORED, page, table

ROOT = Path(__file__).resolve().parents[2]
ROWS: list[dict[str, Any]] = json.loads((ROOT / STORED).read_text())


def test_the_page_holds_the_stored_table() -> None:
    text = (ROOT / PAGE).read_text()
    assert page(text, ROWS) == text


def test_no_difference_is_invented_and_a_large_one_is_found() -> None:
    """The correction promises at most 5 of 100 draws with a false alarm; with 700, at most 50 by three deviations."""
    alike = [row for row in ROWS if not row["deficit"]]
    assert all(row["false_alarms"] <= 5 for row in alike)
    assert sum(row["false_alarms"] for row in alike) <= 0.02 * sum(row["draws"] for row in alike)
    assert all(row["found"] >= 0.8 * row["draws"] for row in ROWS if row["deficit"] >= 1 and row["patients"] >= 100)


def test_one_row_by_hand() -> None:
    row = {
        "patients": 40, "images": 10, "skill": 4.0, "deficit": 1.5, "prevalence": 0.8, "nested": True, "draws": 100,
        "tests": 56.8, "false_alarms": 2, "found": 84, "found_by_accuracy": 75,
    }  # fmt: skip
    cells = [cell.strip() for cell in table([row]).splitlines()[-1].strip("|").split("|")]
    assert cells == [
        "40 x 10", "site B worse by 1.5 sd, a class per patient, one class 80 %, few errors", "57", "2 of 100",
        "84 of 100", "75 of 100",
    ]  # fmt: skip
