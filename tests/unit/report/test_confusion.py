from __future__ import annotations

from cytopipe.report import confusion
from cytopipe.report.confusion import chosen_images, matrix
from cytopipe.results.predictions import Prediction


def said(number: int, label: str, predicted: str, sure: float) -> Prediction:
    shares = (sure, 1 - sure)
    return Prediction(id=f"{number:04}", group="g", label=label, predicted=predicted, probabilities=shares)


def test_counts_shares_and_shades() -> None:
    rows = matrix([said(0, "a", "a", 0.9), said(1, "a", "b", 0.9), said(2, "a", "a", 0.9), said(3, "b", "b", 1)], "abc")
    assert [[cell.count for cell in row] for row in rows] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [cell.level for cell in rows[0]] == [4, 2, 0]
    assert rows[1][1].level == confusion.LEVELS
    assert rows[0][0].right and not rows[0][1].right


def test_a_small_share_has_a_shade() -> None:
    rows = matrix([said(0, "a", "b", 0.6), *(said(n, "a", "a", 0.6) for n in range(1, 500))], "ab")
    assert rows[0][1].level == 1


def test_the_most_confident_errors_and_the_least_confident_hits_are_shown() -> None:
    wrong = [said(n, "a", "b", 0.5 + n / 100) for n in range(30)]
    right = [said(100 + n, "a", "a", 0.5 + n / 100) for n in range(30)]
    cells = chosen_images([*wrong, *right])
    assert [one.id for one in cells["a", "b"]] == [f"{n:04}" for n in range(29, 5, -1)]
    assert [one.id for one in cells["a", "a"]] == [f"{n:04}" for n in range(100, 108)]


def test_ties_go_by_id() -> None:
    assert [one.id for one in chosen_images([said(2, "a", "b", 0.7), said(1, "a", "b", 0.7)])["a", "b"]] == [
        "0001",
        "0002",
    ]


def test_many_cells_show_fewer_images_each() -> None:
    labels = [f"c{n}" for n in range(10)]
    predictions = [
        said(number * 100 + place, one, other, 0.7)
        for number, (one, other) in enumerate((a, b) for a in labels for b in labels if a != b)
        for place in range(30)
    ]
    cells = chosen_images(predictions)
    assert len(cells) == 90
    assert {len(images) for images in cells.values()} == {6}  # 12 would be 1,080 images


def test_no_predictions_no_cells() -> None:
    assert chosen_images([]) == {}
    assert [[cell.count for cell in row] for row in matrix([], "a")] == [[0]]
