from __future__ import annotations

import pytest

from cytopipe.inspection.name_groups import name_groups


@pytest.mark.parametrize(
    ("names", "groups", "sure"),
    [
        ([f"n/slide{i // 3}_{i}" for i in range(12)], 4, True),
        ([f"n/2020 Patient {i // 3} cell {i}" for i in range(12)], 4, True),
        ([f"P{i // 3}_{i}" for i in range(12)], 4, True),
        ([f"TCGA-A1-A0S{'ABCD'[i // 3]}-01-{i}" for i in range(12)], 4, True),
        ([f"n/x{i // 3}_{i}" for i in range(12)], 4, False),
        ([f"{8860 + i // 3}-{i}" for i in range(12)], 4, False),
    ],
)
def test_patterns_that_find_groups(names: list[str], groups: int, sure: bool) -> None:
    found = name_groups(names)
    assert (found[0][0].groups, found[0][1]) == (groups, sure)


@pytest.mark.parametrize(
    "names",
    [[f"n/cell{i}" for i in range(12)], [f"slide1_{i}" for i in range(12)], [f"slide{i}_x" for i in range(12)], []],
    ids=["no parts", "one group", "a group for each", "no names"],
)
def test_names_without_groups(names: list[str]) -> None:
    assert name_groups(names) == []
