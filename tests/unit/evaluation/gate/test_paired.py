from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from cytopipe.evaluation.gate.paired import changes
from cytopipe.evaluation.gate.results import Predictions
from cytopipe.metrics.classification import group_draws

IMAGES, CLASSES = 60, ("a", "b", "c")


def predictions(seed: int, skill: float, **columns: list[str]) -> Predictions:
    """Random probabilities that favour the truth by `skill`."""
    rng = np.random.default_rng(seed)
    truth = np.arange(IMAGES) % 3
    scores = rng.random((IMAGES, 3)) + skill * np.eye(3)[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    table = {
        "id": [f"{number:02}" for number in range(IMAGES)],
        "group": [f"g{number // 6}" for number in range(IMAGES)],
        "label": [CLASSES[label] for label in truth],
        **{f"p_{name}": [str(value) for value in scores[:, index]] for index, name in enumerate(CLASSES)},
    }
    return Predictions(table | columns)


def shuffled(one: Predictions) -> Predictions:
    order = np.random.default_rng(9).permutation(IMAGES)
    return Predictions({name: [values[index] for index in order] for name, values in one.columns.items()})


def test_changes_and_intervals_are_those_of_scikit_learn() -> None:
    before, now = predictions(0, 0.8), predictions(1, 0.3)
    truth = np.arange(IMAGES) % 3
    scores = [
        np.stack([np.array(run.columns[f"p_{name}"], float) for name in CLASSES], axis=1) for run in (now, before)
    ]
    measures = {
        "accuracy": lambda rows, p: accuracy_score(truth[rows], p.argmax(axis=1)),
        "balanced_accuracy": lambda rows, p: balanced_accuracy_score(truth[rows], p.argmax(axis=1)),
        "macro_f1": lambda rows, p: f1_score(truth[rows], p.argmax(axis=1), average="macro"),
        "auc": lambda rows, p: roc_auc_score(truth[rows], p, multi_class="ovr"),
    }
    found = changes(now, before)
    assert found.keys() == measures.keys()
    draws = group_draws(now.groups)[:1000]
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


@pytest.mark.parametrize(
    "columns",
    [
        {"group": ["g"] * IMAGES},
        {"p_a": ["nan"] * IMAGES},
        {"p_a": [""] * IMAGES},
        {"p_d": ["0"] * IMAGES},
        {"label": ["d"] * IMAGES},
    ],
    ids=["one group", "not finite", "empty", "another class", "unknown label"],
)
def test_nothing_is_paired_where_predictions_give_no_metric(columns: dict[str, list[str]]) -> None:
    odd, sound = predictions(0, 0.8, **columns), predictions(1, 0.3)
    assert changes(odd, sound) == {}
    assert changes(odd, odd if "p_d" not in columns else sound) == {}


def test_a_segmenter_s_column_with_gaps_is_left_out() -> None:
    table = {
        "id": ["1", "2", "3"],
        "group": ["a", "b", "c"],
        "dice_cell": ["0.5", "0.6", "0.7"],
        "dice_nucleus": ["0.5", "", "0.7"],
    }
    assert changes(Predictions(table), Predictions(table)).keys() == {"dice_cell"}
