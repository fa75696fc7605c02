"""The tables of docs/clinical.md are those of the registry, and their words those of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.metrics.registry import METRICS
from number_tables import PAGE, cases, numbers, page, withheld

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_in_step_with_the_registry() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page(text) == text, "run `python docs/tools/number_tables.py`"


def test_every_metric_has_its_row_with_definition_and_key() -> None:
    rows = [line for line in numbers().splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == len(METRICS)
    assert all(
        metric.definition in row and f"`{metric.place}`" in row for metric, row in zip(METRICS, rows, strict=True)
    )


def test_each_case_has_other_words() -> None:
    words = [told for _, _, told in cases()]
    assert len(set(words)) == len(words) >= 10
    assert "4 groups count: under 5, no interval is claimed" in withheld()


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(CytopipeError, match="markers"):
        page("nothing")
