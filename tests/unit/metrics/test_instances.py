from __future__ import annotations

import pytest

from cytopipe.metrics.instances import instance_metrics
from made_fields import field, found, true


def test_a_perfect_field() -> None:
    values = instance_metrics([field([true(40, 40, 20), true(90, 90, 20)], [found(40, 40, 20), found(90, 90, 20)])])
    assert {name: value.value for name, value in values.items()} == {
        "aji": 1, "pq": 1, "sq": 1, "rq": 1,
        "isbi_dice": 1, "isbi_missed": 0, "isbi_true_pixels": 1, "isbi_false_pixels": 0,
    }  # fmt: skip


def test_known_overlaps() -> None:
    # The first is found with 10 of its 20 rows, the second with 16, the third is not there.
    trues = [true(40, 40, 20), true(90, 90, 20)]
    values = instance_metrics([field(trues, [found(40, 46, 20), found(90, 92, 20), found(140, 40, 10)])])
    shared = (20 * 14, 20 * 18)
    union = (800 - shared[0], 800 - shared[1])
    assert values["aji"].value == pytest.approx(sum(shared) / (sum(union) + 100))
    ious = [one / other for one, other in zip(shared, union, strict=True)]
    assert values["sq"].value == pytest.approx(sum(ious) / 2)
    assert values["rq"].value == pytest.approx(4 / 5)
    assert values["pq"].value == pytest.approx(sum(ious) / 2 * 4 / 5)
    assert values["isbi_missed"].value == pytest.approx(0.5)  # Dice of the first is exactly .7, not above it
    assert values["isbi_dice"].value == pytest.approx(0.9)
    assert values["isbi_true_pixels"].value == pytest.approx(0.9)
    assert values["isbi_false_pixels"].value == pytest.approx(0.1)


def test_a_cell_at_the_edge_without_a_match_counts_nowhere() -> None:
    values = instance_metrics([field([true(40, 40, 20)], [found(40, 40, 20), found(0, 0, 20)])])
    assert values["aji"].value == 1 and values["pq"].value == 1


def test_nothing_found_and_nothing_there() -> None:
    nothing = instance_metrics([field([true(40, 40, 20)], [])])
    assert nothing["aji"].value == 0 and nothing["isbi_missed"].value == 1 and nothing["isbi_dice"].value is None
    empty = instance_metrics([field([], [])])
    assert empty["aji"].value is None and empty["pq"].value is None
