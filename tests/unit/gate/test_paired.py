from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from cytopipe.gate.paired import changes
from cytopipe.metrics.bootstrap import group_draws
from cytopipe.results.predictions import Prediction, Predictions
from cytopipe.results.segmenter import SegmenterPredictions

IMAGES, CLASSES = 60, ("a", "b", "c")


def predictions(seed: int, skill: float, classes: tuple[str, ...] = CLASSES, groups: int = 10) -> Predictions:
    """Random predictions whose probabilities favour the true class by `skill`."""
    rng = np.random.default_rng(seed)
    truth = np.arange(IMAGES) % 3
    scores = rng.random((IMAGES, len(classes))) + skill * np.eye(len(classes))[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    rows = [
        Prediction(
            id=f"{number:02}",
            group=f"g{number * groups // IMAGES}",
            label=classes[label],
            predicted=classes[values.argmax()],
            probabilities=tuple(values),
        )
        for number, (label, values) in enumerate(zip(truth, scores, strict=True))
    ]
    return Predictions.of(classes, rows)


def shuffled(one: Predictions) -> Predictions:
    order = np.random.default_rng(9).permutation(IMAGES)
    return Predictions.of(one.classes, [one.rows[index] for index in order])


def test_changes_and_intervals_equal_those_of_scikit_learn() -> None:
    before, now = predictions(0, 0.8), predictions(1, 0.3)
    truth = np.arange(IMAGES) % 3
    scores = [run.probabilities for run in (now, before)]
    measures: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "accuracy": lambda rows, p: accuracy_score(truth[rows], p.argmax(axis=1)),
        "balanced_accuracy": lambda rows, p: balanced_accuracy_score(truth[rows], p.argmax(axis=1)),
        "macro_f1": lambda rows, p: f1_score(truth[rows], p.argmax(axis=1), average="macro"),
        "auc": lambda rows, p: roc_auc_score(truth[rows], p, multi_class="ovr"),
    }
    found = changes(now, before)
    assert found.keys() == measures.keys()
    draws = group_draws(now.groups, 1000)
    for metric, measure in measures.items():
        new, old = ([measure(rows, p[rows]) for rows in (np.arange(IMAGES), *draws)] for p in scores)
        value, *drawn = np.subtract(new, old)
        assert found[metric].value == pytest.approx(value)
        assert (found[metric].low, found[metric].high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_images_are_matched_by_id() -> None:
    before, now = predictions(0, 0.8), predictions(1, 0.3)
    assert changes(shuffled(now), before) == changes(now, before)


def test_the_same_predictions_did_not_change() -> None:
    same = predictions(0, 0.8)
    assert {(one.value, one.low, one.high) for one in changes(same, same).values()} == {(0, 0, 0)}


def test_other_classes_or_a_single_group_give_no_pairs() -> None:
    sound = predictions(1, 0.3)
    assert changes(predictions(0, 0.8, (*CLASSES, "d")), sound) == {}
    alone = predictions(0, 0.8, groups=1)
    assert changes(alone, alone) == {}


def test_a_segmenter_s_column_with_gaps_is_left_out() -> None:
    table = [
        {"id": "1", "group": "a", "dice_cell": 0.5, "dice_nucleus": 0.5},
        {"id": "2", "group": "b", "dice_cell": 0.6, "dice_nucleus": None},
    ]
    assert changes(SegmenterPredictions.of(table), SegmenterPredictions.of(table)).keys() == {"dice_cell"}
