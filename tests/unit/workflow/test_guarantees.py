"""A few cohorts of the simulation of guarantees, drawn now, agree with the stored thousand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from guarantees import CASES, draw, one_each, simulate, tail

ROOT = Path(__file__).resolve().parents[3]
STORED: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "docs/guarantees.json").read_text())


def test_a_few_cohorts_agree_with_the_stored_ones() -> None:
    again = simulate(40, seed=1, cases=CASES[2:3], patients=5000)
    stored = {(row["name"], row["groups"], row["method"]): row for row in STORED["sets"]}
    for row in again["sets"]:
        one = stored[row["name"], row["groups"], row["method"]]
        assert abs(row["coverage"] - one["coverage"]) <= 4 * max(row["error"], 0.005), row
    reached = {(row["abnormal"], row["method"]): row["reached"] for row in STORED["sensitivity"]}
    for row in again["sensitivity"]:
        share = reached[row["abnormal"], row["method"]]
        assert abs(row["reached"] - share) <= 4 * max((share * (1 - share) / 40) ** 0.5, 0.02), row


def test_one_image_is_drawn_of_each_group() -> None:
    cohort = draw(np.random.default_rng(0), CASES[1], 30)
    chosen = one_each(np.random.default_rng(1), cohort)
    assert sorted(cohort.group[chosen]) == list(range(30))
    assert np.isclose(cohort.weights.sum(), 1)


def test_the_score_of_aps_is_what_is_left_from_a_class_down() -> None:
    assert np.allclose(tail(np.array([[0.5, 0.2, 0.3]])), [[1.0, 0.2, 0.5]])
