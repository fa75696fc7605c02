from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.explain.selection import predictions_of, select_measured, select_shown, spread
from cytopipe.results.predictions import Prediction


def predictions(*cases: tuple[str, str, float]) -> list[Prediction]:
    return [
        Prediction(id=f"{i:02}", group="g", label=label, predicted=named, probabilities=(p, 1 - p))
        for i, (label, named, p) in enumerate(cases)
    ]


MANY = predictions(*(("a", "a", p) for p in (0.5, 0.9, 0.7, 0.6)), ("b", "a", 0.8), ("a", "b", 0.51), ("b", "b", 1.0))


def test_the_most_and_the_least_confident_are_shown_correct_ones_first() -> None:
    assert select_shown(MANY, ("a", "b"), 1) == [1, 5, 6, 4]
    assert select_shown(MANY, ("a", "b"), 2) == [1, 0, 5, 6, 4]
    assert select_shown(MANY, ("a", "b"), 3) == [1, 0, 2, 5, 6, 4]
    assert select_shown(MANY, ("a", "b"), 9) == [1, 0, 2, 3, 5, 6, 4]
    assert select_shown(MANY, ("a", "b"), 0) == select_shown([], ("a",), 3) == []


def test_equals_are_shown_in_id_order() -> None:
    same = predictions(*[("a", "a", 0.5)] * 4)
    assert select_shown(same, ("a",), 2) == [0, 3]
    assert select_shown([*reversed(same)], ("a",), 2) == [3, 0]


def test_measured_images_are_spread_over_the_ids_of_each_class_whatever_their_prediction() -> None:
    many = predictions(*[("a", "b", 0.5)] * 12, ("b", "b", 0.9))
    assert select_measured(many, ("a", "b"), 3) == [2, 6, 10, 12]


@pytest.mark.parametrize(("length", "count"), [(0, 3), (2, 3), (3, 3), (10, 3), (1000, 7)])
def test_spread_places_are_distinct_and_in_range(length: int, count: int) -> None:
    places = spread(length, count)
    assert len(set(places)) == min(length, count)
    assert all(0 <= place < length for place in places) and places == sorted(places)


HEADER = "id,group,label,predicted,p_a,p_b\n"


def row(id_: str, label: str) -> Row:
    return Row(id_, "", label, 0, "test", "g", 8, 8, "0" * 64)


def test_predictions_are_read_with_the_probability_of_the_predicted_class(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(f"{HEADER}x,g1,a,b,0.25,0.75\ny,g2,b,b,0.5,0.5\n")
    found = predictions_of(file, [row("x", "a"), row("y", "b")])
    assert [(one.confidence, one.correct, one.group) for one in found] == [(0.75, False, "g1"), (0.5, True, "g2")]


@pytest.mark.parametrize("rows", [[row("x", "b")], [row("z", "a")], [], [row("x", "a"), row("y", "a")]])
def test_predictions_of_other_images_are_an_error(tmp_path: Path, rows: list[Row]) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(f"{HEADER}x,g1,a,b,0.25,0.75\n")
    with pytest.raises(CytopipeError, match=r"not those of the tensors\n.*run evaluate again"):
        predictions_of(file, rows)
