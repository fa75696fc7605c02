"""Means, intervals and quantiles of a segmenter over test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.data.manifest import Row
from cytopipe.evaluation.segmenter.distribution import (
    COLUMNS,
    POINTS,
    distribution_figure,
    distribution_rows,
    segmenter_details,
)
from cytopipe.metrics.registry import of_task
from cytopipe.results.numbers import Estimate

NAMES = [metric.key for metric in of_task("segmentation")]


def table(*values: float, distances: dict[int, float | None] | None = None) -> list[dict[str, Any]]:
    """Images in groups of two; all metrics of an image have the same value."""
    return [
        {"id": f"{index}", "group": f"g{index // 2}", **dict.fromkeys(NAMES, value)}
        | {name: (distances or {}).get(index, 2.0) for name in NAMES if name.startswith("hd95")}
        for index, value in enumerate(values)
    ]


def test_every_metric_of_every_part_has_mean_interval_and_quantiles() -> None:
    found = segmenter_details("d", table(0.5, 0.5, 1.0, 1.0))
    assert list(found.metrics)[:4] == ["dice_cell", "iou_cell", "pixel_accuracy_cell", "hd95_cell"]
    assert found.metrics["hd95_nucleus"].value == 2
    assert found.metrics["dice_cell"].value == 0.75
    assert found.metrics["dice_cell"].withheld == "2 groups count: under 5, no interval is claimed"
    assert found.distribution["iou_nucleus"] == {
        "0": 0.5, "0.05": 0.5, "0.25": 0.5, "0.5": 0.75, "0.75": 1, "0.95": 1, "1": 1,
    }  # fmt: skip
    assert list(found.metrics) == list(found.distribution) == NAMES
    assert (found.undefined, found.images, found.groups) == ({}, 4, 2)


def test_an_image_without_a_distance_is_counted_and_left_out() -> None:
    found = segmenter_details("d", table(0.5, 0.5, 1.0, 1.0, distances={0: None, 1: 6.0}))
    assert found.undefined == {f"hd95_{part}": 1 for part in ("cell", "nucleus", "cytoplasm")}
    assert found.metrics["hd95_cell"].value == (6 + 2 + 2) / 3
    quantiles = found.distribution["hd95_cell"]
    assert quantiles is not None and quantiles["1"] == 6
    assert found.metrics["dice_cell"].value == 0.75


def test_shares_stay_in_their_range_and_distances_above_0() -> None:
    values = np.random.default_rng(0).beta(20, 1, 40)
    found = segmenter_details("d", table(*values, distances={0: 40.0, 7: None}))
    dice, distance = found.metrics["dice_cell"], found.metrics["hd95_cell"]
    assert dice.low and dice.value and dice.high and 0 < dice.low < dice.value < dice.high < 1
    assert dice.value - dice.low > dice.high - dice.value  # longer towards the middle
    assert distance.low and distance.value and distance.high and 0 < distance.low < distance.value < distance.high
    assert distance.value / distance.low == pytest.approx(distance.high / distance.value)


def test_without_any_distance_the_metric_is_undefined() -> None:
    found = segmenter_details("d", table(0.0, 0.0, 0.0, distances={0: None, 1: None, 2: None}))
    assert found.metrics["hd95_cell"] == Estimate(value=None) and found.distribution["hd95_cell"] is None
    assert found.undefined["hd95_cell"] == 3
    assert not [row for row in distribution_rows(table(0.0, distances={0: None})) if row["measure"] == "hd95"]


def test_one_group_has_no_interval_and_without_images_all_is_undefined() -> None:
    one = segmenter_details("d", table(0.5, 1.0))
    assert (one.metrics["dice_cell"].value, one.metrics["dice_cell"].low) == (0.75, None)
    none = segmenter_details("d", [])
    assert all(one.value is None for one in none.metrics.values())
    assert all(quantiles is None for quantiles in none.distribution.values())
    assert (none.images, none.groups, none.undefined) == (0, 0, {})
    assert distribution_rows([]) == []


def test_the_table_contains_the_cumulative_distribution() -> None:
    values = np.random.default_rng(0).random(40)
    rows = [row for row in distribution_rows(table(*values)) if (row["measure"], row["part"]) == ("dice", "nucleus")]
    assert len(rows) == POINTS and tuple(rows[0]) == COLUMNS
    for row in rows[:: POINTS // 10]:
        assert row["value"] == pytest.approx(np.quantile(values, row["share"]))


def test_figures_have_the_same_bytes_every_time_and_say_when_there_is_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        distribution_figure(tmp_path / f"{name}.png", table(0.5, 0.7, 1.0, distances={0: None}))
    distribution_figure(tmp_path / "none.png", [])
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "none.png").read_bytes() != (tmp_path / "one.png").read_bytes()


def test_subgroups_have_their_own_means() -> None:
    scores = table(*(0.9 - 0.02 * number for number in range(16)))
    rows = [
        Row(row["id"], "", "a", 0, "test", "", 8, 8, "", attributes={"site": "A" if number < 12 else "B"})
        for number, row in enumerate(scores)
    ]
    assert segmenter_details("d", scores).subgroups == ()
    assert "subgroups" not in segmenter_details("d", scores).plain
    one, other = segmenter_details("d", scores, rows).subgroups
    assert (one.value, one.images, one.groups, other.value, other.groups) == ("A", 12, 6, "B", 2)
    assert one.metrics["dice_cell"].value == pytest.approx(0.79) and one.metrics["dice_cell"].low is not None
    assert other.metrics["dice_cell"].withheld == "2 groups count: under 5, no interval is claimed"
