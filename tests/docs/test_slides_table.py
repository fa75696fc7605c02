"""The table of slides is that of the file that the benchmark wrote."""

from __future__ import annotations

import json
from pathlib import Path

from slides_table import MEASURED, PAGE, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_slides_are_as_fast_as_their_models_and_memory_is_flat() -> None:
    measured = json.loads((ROOT / MEASURED).read_text(encoding="utf-8"))
    assert measured["speed"]["share_of_model_speed"] >= 0.95
    assert measured["memory"]["ratio"] <= 1.2
