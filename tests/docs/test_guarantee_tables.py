"""The tables of guarantees are those of the stored simulation, and it keeps what the page promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guarantee_tables import PAGE, STORED, draw, page, patients, sets

ROOT = Path(__file__).resolve().parents[2]
FOUND: dict[str, Any] = json.loads((ROOT / STORED).read_text())


def by(rows: list[dict[str, Any]], method: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["method"] == method]


def test_the_page_holds_the_stored_tables() -> None:
    text = (ROOT / PAGE).read_text()
    assert page(text, FOUND) == text


def test_sets_over_groups_keep_their_coverage_and_image_wise_ones_do_not() -> None:
    assert FOUND["draws"] == 1000
    ours, naive = (by(FOUND["sets"], method) for method in ("groups", "images"))
    for row in ours:  # at least as stated, and no more than (1 + 2 / groups) of it
        assert 0.9 - 3 * row["error"] <= row["coverage"] <= 0.9 + 2 / row["groups"], row
    for case, low in (("groups differ much", 0.895), ("easy groups are larger", 0.83)):
        few = [row for row in naive if row["name"] == case and row["groups"] <= 20]
        assert all(row["coverage"] + 3 * row["error"] < low for row in few)
    large = next(row for row in naive if row["name"] == "easy groups are larger" and row["groups"] == 160)
    assert large["coverage"] < 0.82 and large["short"] > 0.9  # more groups do not help


def test_no_other_way_that_holds_is_better() -> None:
    sizes = {method: [row["size"] for row in by(FOUND["sets"], method)] for method in ("groups", "repeated", "aps")}
    assert all(ours < theirs for ours, theirs in zip(sizes["groups"], sizes["repeated"], strict=True))
    assert all(ours < theirs for ours, theirs in zip(sizes["groups"], sizes["aps"], strict=True))
    short = {method: [row["short"] for row in by(FOUND["sets"], method)] for method in ("groups", "one")}
    assert all(ours < theirs for ours, theirs in zip(short["groups"], short["one"], strict=True))


def test_the_sensitivity_is_reached_as_often_as_promised_and_not_without_the_bound() -> None:
    rows = FOUND["sensitivity"]
    assert all(row["reached"] >= 0.95 - 3 * 0.007 for row in by(rows, "confident"))
    assert all(row["sensitivity"] >= 0.95 - 0.003 for row in by(rows, "average"))
    assert all(row["reached"] < 0.6 for row in by(rows, "empirical"))
    assert all(row["reached"] < 0.9 for row in by(rows, "cells"))


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    draw(FOUND, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_one_row_by_hand() -> None:
    row = {"name": "groups differ", "groups": 10, "coverage": 0.9123, "short": 0.12, "size": 2.345}
    table = sets([{**row, "method": way} for way in ("images", "one", "repeated", "groups", "aps")])
    assert [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")] == [
        "groups differ", "10", *["0.912 (12%; 2.3)"] * 5,
    ]  # fmt: skip
    found = {"abnormal": 60, "reached": 0.951, "sensitivity": 0.98}
    last = patients([{**found, "method": way} for way in ("empirical", "cells", "confident", "average")])
    assert "| 60" in last and last.count("95.1% (0.980)") == 4
