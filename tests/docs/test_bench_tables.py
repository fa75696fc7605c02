"""The tables of docs/speed.md are those of docs/bench.json."""

from __future__ import annotations

import json
from pathlib import Path

import bench_tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_holds_the_stored_measurements() -> None:
    text = (ROOT / bench_tables.PAGE).read_text(encoding="utf-8")
    assert bench_tables.page(text, json.loads((ROOT / bench_tables.BENCH).read_text())) == text


def test_seconds_of_a_first_run_add_up() -> None:
    stages = {
        "evaluate": {"runs": 2, "networks": 6.0, "imports": 4.0, "rest": 6.0},
        "compare": {"runs": 1, "networks": 0.0, "imports": 1.0, "rest": 2.0},
    }
    disk = {"outputs_mib": 10.0, "peak_mib": 12.0, "ratio": 1.2}
    table = bench_tables.first_run({"seconds": 25.0, "stages": stages, "engine": 6.0, "disk": disk})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert rows[2:] == [
        ["evaluate", "2", "6", "4", "6", "16"],
        ["compare", "1", "0", "1", "2", "3"],
        ["DVC, start of Python", "", "", "", "", "6"],
        ["in all", "3", "6", "5", "8", "25"],
    ]
    assert "1.2 times the bytes of the outputs" in table


def test_a_part_that_was_not_measured_says_so() -> None:
    bench = {"command": "c", "processor": "p", "cores": 2, "preset": "tiny", "load_before": [0.1, 0, 0]}
    text = bench_tables.page((ROOT / bench_tables.PAGE).read_text(encoding="utf-8"), bench)
    assert text.count(bench_tables.NOT_MEASURED) == len(bench_tables.TABLES) + 1
    assert "2 cores, idle; preset `tiny`" in text
