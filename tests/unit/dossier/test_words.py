"""Values of files in words."""

from __future__ import annotations

from typing import Any

import pytest

from cytopipe.dossier.words import difference, of_classes, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        ([], "none"),
        ({}, "none"),
        (True, "yes"),
        (12345, "12\u202f345"),
        (0.00123, "0.00123"),
        (["a", 2], "a, 2"),
        ({"train": 3, "of": {"a": 1.5}}, "train: 3, of: (a: 1.5)"),
        ({"value": 0.75, "low": 0.5, "high": 0.875}, "0.750 (0.500 to 0.875)"),
        ({"value": 0.75, "low": None, "high": None, "withheld": "none: biased"}, "0.750 (no interval: biased)"),
        ({"value": 1.0, "low": None, "high": None}, "1.000 (no interval)"),
        ({"value": None, "low": None, "high": None}, "not defined"),
        ({"value": 3, "other": 4}, "value: 3, other: 4"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert shown(value) == text


def test_differences_and_classes() -> None:
    assert difference(-0.0125, {"low": -0.1, "high": 0.2}) == "\u22120.013 (\u22120.100 to 0.200)"
    assert difference(0.5, None) == "+0.500 (no interval)"
    assert of_classes({"a": 1, "b": 2}) == "3: a 1, b 2"
