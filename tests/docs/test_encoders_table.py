"""The tables of encoders in docs/embeddings.md are those of the file that the benchmark wrote."""

from __future__ import annotations

import json
from pathlib import Path

from encoders_table import MEASURED, PAGE, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_each_table_has_an_encoder_without_learnt_weights_to_compare_with() -> None:
    tables = json.loads((ROOT / MEASURED).read_text(encoding="utf-8"))["tables"]
    assert len(tables) >= 2
    for table in tables.values():
        assert len(table["encoders"]) >= 4
        assert "workflow/weights/none" in {row["encoder"]["pretrained"] for row in table["encoders"]}
