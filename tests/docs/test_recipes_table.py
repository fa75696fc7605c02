"""The table of training options in docs/models.md is that of the file that the benchmark wrote."""

from __future__ import annotations

from pathlib import Path

from recipes_table import PAGE, recipes_table, written

ROOT = Path(__file__).resolve().parents[2]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_shows_what_was_measured() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written(page, ROOT) == page


def test_a_row_says_whether_a_difference_is_resolved() -> None:
    plain = {"recipe": "imagenet", "options": {}, "accuracy": 0.9}
    one = {
        **plain,
        "recipe": "ema",
        "beside": "imagenet",
        "difference": 0.01,
        "low": -0.02,
        "high": 0.04,
        "p_holm": 0.5,
    }
    other = {**one, "recipe": "lora", "difference": -0.1, "low": -0.15, "high": -0.05, "p_holm": 0.0002}
    found = [cells(line) for line in recipes_table([plain, one, other]).splitlines()[2:]]
    assert found[0] == ["imagenet", "0.900", *["-"] * 5]
    assert found[1] == ["ema", "0.900", "imagenet", "+0.010", "-0.020 to +0.040", "0.500", "no"]
    assert found[2] == ["lora", "0.900", "imagenet", "-0.100", "-0.150 to -0.050", "< .001", "yes"]
