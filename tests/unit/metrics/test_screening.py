from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.detection import ScreenedField
from cytopipe.metrics.intervals import Measured, measured
from cytopipe.metrics.plotting.detection_figures import counts_figure, field_figure, precision_recall_figure
from cytopipe.metrics.screening import (
    PR_COLUMNS,
    count_rows,
    detection_metrics,
    field_scores,
    found_cells,
    precision_recall_rows,
    worst_median_best,
)
from cytopipe.results.screening import ScreeningDetails
from made_fields import field, found, true

CLASSES = ("a", "b", "c")


@pytest.fixture
def fields() -> list[ScreenedField]:
    """Two fields: 4 annotated cells, of which 3 are found (one with a wrong class), 1 false and 1 at the edge."""
    first = field(
        [true(20, 20, 20), true(60, 20, 20), true(100, 20, 20, "b")],
        [found(20, 20, 20, score=0.9), found(60, 20, 20, "b", 0.8), found(0, 100, 20, score=0.7)],
        name="one",
        group="g1",
    )
    second = field(
        [true(20, 20, 20, "b")], [found(25, 20, 20, "b", 0.6), found(150, 90, 20, score=0.95)], name="two", group="g2"
    )
    return [first, second]


def values(part: dict[str, Any]) -> dict[str, Any]:
    return {name: one.value if isinstance(one, Measured) else one for name, one in part.items()}


def test_detection_counts_and_classes_equal_values_computed_by_hand(fields: list[ScreenedField]) -> None:
    metrics = detection_metrics(fields, CLASSES)
    assert values(metrics["boxes"]) == pytest.approx(
        {
            "precision": 3 / 4,
            "recall": 3 / 4,
            "f1": 3 / 4,
            "mean_iou": (1 + 1 + 0.6) / 3,
            "all_counted_precision": 3 / 5,
            "all_counted_f1": 6 / 9,
        }
    )
    assert values(metrics["contours"]) == pytest.approx(values(metrics["boxes"]))
    # 2 found of 3 and 2 of 1
    assert values(metrics["count"]) == {"mean_absolute_error": 1.0, "mean_error": 0.0, "relative_error": 0.5}
    assert values(metrics["naming"]) == pytest.approx({"accuracy": 2 / 3, "precision": 0.5, "recall": 0.5, "f1": 0.5})
    assert {label: values(one) for label, one in metrics["per_class"].items()} == {
        "a": {"cells": 2, "found": 1.0, "named": 0.5},
        "b": {"cells": 2, "found": 0.5, "named": 0.5},
        "c": {"cells": 0, "found": None, "named": None},
    }
    assert [metrics[name] for name in ("fields", "groups", "cells", "found", "at_edge")] == [2, 2, 4, 5, 1]
    assert metrics["undefined"] == {
        "per_class": "no annotated cell of c",
        "interval": "2 groups count: under 5, no interval is claimed",
    }
    assert "edge" in metrics["settings"]


def test_intervals_are_over_groups_of_fields(fields: list[ScreenedField]) -> None:
    several = [
        replace(one, id=f"{one.id}{number}", group=f"{one.group}{number}") for number in range(3) for one in fields
    ]
    found = detection_metrics(several, CLASSES)
    recall = measured(ratio(np.array([2.0, 1] * 3), np.array([3.0, 1] * 3), [one.group for one in several]))
    assert found["boxes"]["recall"] == recall and recall.low is not None
    together = detection_metrics([replace(one, group=f"{i // 2}") for i, one in enumerate(several)], CLASSES)
    assert together["boxes"]["recall"].withheld.startswith("3 groups count")


def test_fewer_than_five_groups_have_no_interval(fields: list[ScreenedField]) -> None:
    metrics = detection_metrics(fields[:1], CLASSES)
    assert {one.low for one in metrics["boxes"].values()} == {None}
    assert "one group" in metrics["undefined"]["interval"]


def test_an_undefined_number_is_null_with_a_reason() -> None:
    empty = detection_metrics([field([], [])], CLASSES)
    assert set(values(empty["boxes"]).values()) == {None}
    assert {"boxes.precision", "boxes.recall", "boxes.f1", "boxes.mean_iou"} < set(empty["undefined"])
    assert empty["undefined"]["naming.accuracy"] and empty["undefined"]["count.relative_error"]
    assert empty["count"]["mean_error"].value == 0
    missed = detection_metrics([field([true(50, 50, 20)], [])], CLASSES)
    assert [missed["boxes"][name].value for name in ("precision", "recall", "f1")] == [None, 0, 0]
    invented = detection_metrics([field([], [found(50, 50, 20)])], CLASSES)
    assert [invented["boxes"][name].value for name in ("precision", "recall", "f1")] == [0, None, 0]
    for metrics in (empty, missed, invented):
        assert "NaN" not in json.dumps(ScreeningDetails.of(metrics).plain)


def test_precision_by_recall_follows_the_score(fields: list[ScreenedField]) -> None:
    rows = [row for row in precision_recall_rows(fields) if row["overlap"] == "boxes"]
    assert [tuple(row) for row in rows] == [PR_COLUMNS] * 5
    found_so_far = [(row["threshold"], row["recall"], row["precision"], row["found"]) for row in rows]
    # The surest is the false one; the one at the edge (0.7) changes nothing.
    assert found_so_far == [
        (0.95, 0, 0, 1),
        (0.9, 0.25, 0.5, 2),
        (0.8, 0.5, 2 / 3, 3),
        (0.7, 0.5, 2 / 3, 3),
        (0.6, 0.75, 0.75, 4),
    ]


def test_without_annotated_or_found_cells_there_is_no_curve() -> None:
    assert precision_recall_rows([field([true(50, 50, 20)], [])]) == []
    assert precision_recall_rows([field([], [found(50, 50, 20)])]) == []


def test_tables_contain_each_field_and_each_found_cell(fields: list[ScreenedField]) -> None:
    assert count_rows(fields) == [{"field": "one", "true": 3, "found": 2}, {"field": "two", "true": 1, "found": 2}]
    first, second = field_scores(fields, CLASSES)
    assert first["f1"] == pytest.approx(4 / 5) and first["at_edge"] == 1 and first["matched"] == 2
    assert (first["true_of"], first["found_of"]) == ({"a": 2, "b": 1, "c": 0}, {"a": 1, "b": 1, "c": 0})
    assert (second["named"], second["matched_contours"]) == (1, 1)
    rows = found_cells(fields)
    assert len(rows) == 5
    assert [row["match"] for row in rows] == ["20_20", "60_20", "", "20_20", ""]
    assert [row["counts"] for row in rows] == [True, True, False, True, True]
    assert rows[1]["label"] == "b" and rows[1]["true_class"] == "a"
    assert (rows[3]["left"], rows[3]["bottom"], rows[3]["iou_boxes"]) == (25, 40, 0.6)


def test_the_worst_the_median_and_the_best_field(fields: list[ScreenedField]) -> None:
    better = field([true(20, 20, 20)], [found(20, 20, 20)], name="three", group="g3")
    shown = worst_median_best([*fields, better])
    assert {name: one.id for name, one in shown.items()} == {"worst": "two", "median": "one", "best": "three"}
    assert {name: one.id for name, one in worst_median_best(fields).items()} == {"worst": "two", "best": "one"}
    assert list(worst_median_best([better])) == ["worst"]


def test_figures_have_the_same_bytes_every_time(fields: list[ScreenedField], tmp_path: Path) -> None:
    draw: dict[str, Callable[[Path], None]] = {
        "pr": lambda path: precision_recall_figure(path, precision_recall_rows(fields)),
        "nothing": lambda path: precision_recall_figure(path, []),
        "counts": lambda path: counts_figure(path, count_rows(fields)),
    }
    for name, one in draw.items():
        for number in (1, 2):
            one(tmp_path / f"{name}{number}.png")
        assert (tmp_path / f"{name}1.png").read_bytes() == (tmp_path / f"{name}2.png").read_bytes()


def test_a_drawn_field_shows_true_found_false_and_missed_cells(fields: list[ScreenedField]) -> None:
    grey = np.full((200, 300, 3), 128, np.uint8)
    drawn = field_figure(grey, fields[0])
    assert drawn.shape[1] == 1280 and drawn.shape[0] > 1280 * 200 // 300
    scale = 1280 / 300
    colours = {
        "found": (31, 95, 191),
        "missed": (240, 192, 32),
        "edge": (138, 148, 166),
    }
    for (x, y), what in (((20, 30), "found"), ((100, 30), "missed"), ((0, 110), "edge")):
        column, row = round((x + 0.5) * scale - 0.5), round((y + 0.5) * scale - 0.5)
        near = drawn[row, max(column - 2, 0) : column + 3].astype(int)
        assert np.abs(near - colours[what]).sum(axis=1).min() < 30, what
    assert (grey == 128).all()
