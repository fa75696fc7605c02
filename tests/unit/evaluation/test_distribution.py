"""Means, intervals and quantiles of a segmenter's test images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.evaluation.distribution import (
    COLUMNS,
    POINTS,
    distribution_figure,
    distribution_rows,
    names,
    segmentation_metrics,
)


def table(*values: float, distances: dict[int, float | None] | None = None) -> list[dict[str, Any]]:
    """Images in groups of two whose measures are all of one value."""
    return [
        {"id": f"{index}", "group": f"g{index // 2}", **dict.fromkeys(names(), value)}
        | {name: (distances or {}).get(index, 2.0) for name in names() if name.startswith("hd95")}
        for index, value in enumerate(values)
    ]


def test_every_measure_of_every_part_has_mean_interval_and_quantiles() -> None:
    found = segmentation_metrics(table(0.5, 0.5, 1.0, 1.0))
    assert list(found)[:4] == ["dice_cell", "iou_cell", "pixel_accuracy_cell", "hd95_cell"]
    assert list(found)[-5:] == ["interval", "distribution", "undefined", "images", "groups"]
    assert found["dice_cell"] == 0.75 and found["hd95_nucleus"] == 2
    # A quarter of the draws takes the first group twice: groups are drawn, and not images.
    assert found["interval"]["dice_cell"] == {"low": 0.5, "high": 1.0}
    assert found["distribution"]["iou_nucleus"] == {
        "0": 0.5, "0.05": 0.5, "0.25": 0.5, "0.5": 0.75, "0.75": 1, "0.95": 1, "1": 1,
    }  # fmt: skip
    assert list(found["interval"]) == list(found["distribution"]) == names()
    assert (found["undefined"], found["images"], found["groups"]) == ({}, 4, 2)


def test_an_image_without_a_distance_is_counted_and_left_out() -> None:
    found = segmentation_metrics(table(0.5, 0.5, 1.0, 1.0, distances={0: None, 1: 6.0}))
    assert found["undefined"] == {f"hd95_{part}": 1 for part in ("cell", "nucleus", "cytoplasm")}
    assert found["hd95_cell"] == pytest.approx((6 + 2 + 2) / 3)
    assert found["interval"]["hd95_cell"] == {"low": 2, "high": 6}
    assert found["distribution"]["hd95_cell"]["1"] == 6 and found["dice_cell"] == 0.75
    json.dumps(found, allow_nan=False)


def test_where_no_image_has_a_distance_there_is_none() -> None:
    found = segmentation_metrics(table(0.0, 0.0, 0.0, distances={0: None, 1: None, 2: None}))
    assert found["hd95_cell"] is found["interval"]["hd95_cell"] is found["distribution"]["hd95_cell"] is None
    assert found["undefined"]["hd95_cell"] == 3
    assert not [row for row in distribution_rows(table(0.0, distances={0: None})) if row["measure"] == "hd95"]


def test_one_group_has_no_interval_and_no_image_has_nothing() -> None:
    one = segmentation_metrics(table(0.5, 1.0))
    assert one["dice_cell"] == 0.75 and set(one["interval"].values()) == {None}
    none = segmentation_metrics([])
    assert {none[name] for name in names()} == set(none["distribution"].values()) == {None}
    assert (none["images"], none["groups"], none["undefined"]) == (0, 0, {})
    assert distribution_rows([]) == []


def test_the_table_holds_the_cumulative_distribution() -> None:
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
