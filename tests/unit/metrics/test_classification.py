from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics.classification import (
    classification_metrics,
    fold_metrics,
    group_draws,
    headline,
    interval,
    intervals,
    per_class,
)
from cytopipe.metrics.operating_points import wilson

# Four images of three classes: the third class is never predicted, one image of the second is taken for the first.
TRUTH = np.array([0, 1, 1, 2])
SCORES = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.5, 0.3]])


def test_metrics_of_four_images_are_exact() -> None:
    found = headline(TRUTH, SCORES)
    assert found == {
        "accuracy": pytest.approx(2 / 4),
        "balanced_accuracy": pytest.approx((1 + 1 / 2 + 0) / 3),
        "macro_f1": pytest.approx((2 / 3 + 2 / 4 + 0) / 3),
        "auc": pytest.approx((1 + 3 / 4 + 1) / 3),  # of class 1: 0.7 beats both others, 0.3 one of them
    }
    assert list(found) == ["accuracy", "balanced_accuracy", "macro_f1", "auc"]


def test_ties_count_half() -> None:
    scores = np.array([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8], [0.5, 0.5]])
    found = headline(np.array([0, 0, 1, 1]), scores)
    assert found["auc"] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert found["accuracy"] == 0.75  # a tie goes to the first class


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_metrics_equal_those_of_scikit_learn(seed: int, classes: int) -> None:
    rng = np.random.default_rng([seed, classes])
    count = int(rng.integers(1, 60))
    truth = rng.integers(0, classes, count) if seed % 3 else rng.integers(0, max(classes - 1, 1), count)
    scores = rng.dirichlet(np.ones(classes), count).round(1 if seed % 2 else 8)  # rounded to 0.1: many ties
    scores[:, 0] = scores[:, 0] * (seed % 4 > 0)  # class 0 is never predicted
    predicted, labels = scores.argmax(axis=1), range(classes)
    all_there = len(np.unique(truth)) == classes
    area = sk.roc_auc_score(np.eye(classes)[truth], scores, average="macro") if all_there else None
    assert headline(truth, scores) == {
        "accuracy": pytest.approx(sk.accuracy_score(truth, predicted)),
        "balanced_accuracy": pytest.approx(sk.recall_score(truth, predicted, labels=np.unique(truth), average="macro")),
        "macro_f1": pytest.approx(sk.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0.0)),
        "auc": None if area is None else pytest.approx(area, abs=1e-12),
    }


def test_a_test_set_of_one_class_has_no_auc_and_no_nan() -> None:
    found = headline(np.array([1, 1]), np.array([[0.2, 0.8], [0.7, 0.3]]))
    assert found == {"accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": pytest.approx(1 / 3), "auc": None}


def test_one_image_has_defined_metrics_and_no_interval() -> None:
    found = classification_metrics(np.array([2]), np.array([[0.1, 0.2, 0.7]]), [])
    assert found == {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "macro_f1": pytest.approx(1 / 3),
        "auc": None,
        "interval": {"accuracy": None, "balanced_accuracy": None, "macro_f1": None, "auc": None},
    }


def test_metrics_come_in_a_fixed_order_and_never_as_nan() -> None:
    found = classification_metrics(TRUTH, SCORES, group_draws(list("abcd")))
    assert list(found) == ["accuracy", "balanced_accuracy", "macro_f1", "auc", "interval"]
    assert list(found["interval"]) == ["accuracy", "balanced_accuracy", "macro_f1", "auc"]
    for name, limits in found["interval"].items():
        assert limits["low"] <= found[name] <= limits["high"]
        assert all(math.isfinite(value) for value in limits.values())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_an_error(value: float) -> None:
    scores = SCORES.copy()
    scores[[0, 2], 1] = value
    with pytest.raises(CytopipeError, match="2 of 4 predictions are not finite"):
        classification_metrics(TRUTH, scores, [])


def test_no_images_are_an_error() -> None:
    with pytest.raises(CytopipeError, match="the test split has no images"):
        classification_metrics(np.zeros(0, int), np.zeros((0, 3)), [])


def test_each_class_has_its_numbers_and_none_for_undefined_ones() -> None:
    found = per_class(TRUTH, SCORES.argmax(axis=1), ["a", "b", "c", "unseen"])
    limits = {label: one.pop("interval") for label, one in found.items()}
    assert found == {
        "a": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "images": 1},
        "b": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "images": 2},
        "c": {"precision": None, "recall": 0.0, "f1": 0.0, "images": 1},
        "unseen": {"precision": None, "recall": None, "f1": None, "images": 0},
    }
    assert limits["b"] == {"precision": wilson(1, 2), "recall": wilson(1, 2), "f1": None}
    assert limits["unseen"] == dict.fromkeys(("precision", "recall", "f1"))


def test_the_interval_of_f1_uses_the_draws_in_which_it_is_defined() -> None:
    draws = [np.array([0, 1]), np.array([2, 3]), np.array([3, 3])]
    found = per_class(TRUTH, SCORES.argmax(axis=1), ["a", "b", "c"], draws)
    # Of a: 2/3 in the first draw, neither there nor predicted in the others. Of b: 0, 2/3 and 0.
    assert found["a"]["interval"]["f1"] == {"low": pytest.approx(2 / 3), "high": pytest.approx(2 / 3)}
    assert found["b"]["interval"]["f1"] == {"low": pytest.approx(0), "high": pytest.approx(2 / 3 * 0.95)}


@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_of_a_class_equal_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 4, (2, 60))
    expected = sk.precision_recall_fscore_support(truth, predicted, labels=range(4))
    found = per_class(truth, predicted, list("abcd")).values()
    for name, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        assert [one[name] for one in found] == pytest.approx(list(values))


GROUPS = ["a", "b", "a", "c", "b", "a"]


def test_draws_take_whole_groups_as_many_as_the_data_has() -> None:
    draws = group_draws(GROUPS, replicates=200)
    assert len(draws) == 200
    members = {name: [i for i, group in enumerate(GROUPS) if group == name] for name in "abc"}
    for rows in draws:
        counts = np.bincount(rows, minlength=6)
        assert all(len(set(counts[images])) == 1 for images in members.values())  # all of a group equally often
        assert sum(counts[images[0]] for images in members.values()) == 3
    assert len({tuple(rows) for rows in draws}) > 10


def test_draws_are_the_same_every_time_and_differ_by_seed() -> None:
    first, again, other = (group_draws(GROUPS, 20, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_one_group_gives_no_draws() -> None:
    assert group_draws(["a", "a", "a"]) == []


def test_the_interval_of_a_constant_is_the_constant() -> None:
    assert interval([0.7] * 50) == {"low": 0.7, "high": 0.7}


def test_an_interval_leaves_2_5_percent_on_either_side() -> None:
    assert interval(range(1001)) == pytest.approx({"low": 25, "high": 975})
    assert interval([]) is None


def test_groups_make_the_interval_wider_than_images_would() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(20) < 0.7, 10)  # the ten images of a group share their fate
    truth = np.zeros(200, int)
    scores = np.stack([right, ~right], axis=1).astype(float)

    def width(groups: list[str]) -> float:
        limits = intervals(truth, scores, group_draws(groups, 300))["accuracy"]
        assert limits is not None
        return limits["high"] - limits["low"]

    assert width([f"{i // 10}" for i in range(200)]) > 2 * width([f"{i}" for i in range(200)])


def test_an_interval_uses_the_draws_in_which_the_metric_is_defined() -> None:
    truth, scores = np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])
    assert intervals(truth, scores, [np.array([0, 0]), np.array([0, 1])])["auc"] == {"low": 1, "high": 1}
    assert intervals(truth, scores, [np.array([0, 0])])["auc"] is None


def test_each_fold_is_measured_separately() -> None:
    truth = np.array([0, 1, 0, 1, 0, 1])
    right = np.array([1, 1, 1, 0, 0, 0])
    probabilities = np.eye(2)[np.where(right, truth, 1 - truth)]
    spread = fold_metrics(truth, probabilities, np.array([0, 0, 1, 1, 2, 2]))
    assert spread["count"] == 3
    assert spread["metrics"]["accuracy"] == {"mean": 0.5, "sd": pytest.approx(0.5), "values": [1.0, 0.5, 0.0]}
