"""The table of images unlike the training images is that of the file that the benchmark wrote."""

from __future__ import annotations

import json
from pathlib import Path

from unfamiliar_table import MEASURED, PAGE, unfamiliar_table, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_every_classifier_of_the_demo_keeps_its_promise() -> None:
    measured = json.loads((ROOT / MEASURED).read_text(encoding="utf-8"))
    assert len(measured) == 8
    for name, one in measured.items():
        assert one["holds"] and one["false_alarms"]["low"] <= one["rules"][0]["wanted"], name
        for kind in ("white", "black", "noise"):
            row = one["altered"][kind]
            assert row["flagged"]["value"] == 1 and row["passed"] == 0, (name, kind)


def test_a_row_has_the_rate_and_what_is_told() -> None:
    one = {
        "false_alarms": {"value": 0.0108, "low": 0.0011, "high": 0.0974},
        "altered": {"white": {"flagged": {"value": 1.0}, "auroc": {"value": 0.998}}},
    }
    line = unfamiliar_table({"net": one}).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["net", "1.1% (0.1% to 9.7%)", "1.00; 1.00"]
