"""The table of detectors is that of the file that the benchmark wrote."""

from __future__ import annotations

import json
from pathlib import Path

from fields_table import MEASURED, PAGE, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_a_detector_of_fields_finds_cells_and_does_not_depend_on_the_grid() -> None:
    found = json.loads((ROOT / MEASURED).read_text(encoding="utf-8"))["detectors"]["fields"]
    assert all(found[key]["value"] >= 0.9 for key in ("edge_boxes_f1", "edge_contours_f1", "contours_f1"))
    assert found["count_relative_error"]["value"] <= 0.08
    grid = found["grid"]
    assert grid["share_changed"] <= 0.02 and grid["tiled"] <= grid["alone_times_tiles"]
