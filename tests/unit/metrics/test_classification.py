from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics.classification import classification_metrics, fold_metrics, headline, per_class
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import Measured, measured

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
    predicted, there = scores.argmax(axis=1), np.unique(truth)
    all_there = len(there) == classes
    area = sk.roc_auc_score(np.eye(classes)[truth], scores, average="macro") if all_there else None
    assert headline(truth, scores) == {
        "accuracy": pytest.approx(sk.accuracy_score(truth, predicted)),
        "balanced_accuracy": pytest.approx(sk.recall_score(truth, predicted, labels=there, average="macro")),
        "macro_f1": pytest.approx(sk.f1_score(truth, predicted, labels=there, average="macro", zero_division=0.0)),
        "auc": None if area is None else pytest.approx(area, abs=1e-12),
    }


def test_a_test_set_of_one_class_has_no_auc_and_no_nan() -> None:
    found = headline(np.array([1, 1]), np.array([[0.2, 0.8], [0.7, 0.3]]))
    assert found == {"accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": pytest.approx(2 / 3), "auc": None}


def test_one_image_has_defined_metrics_and_no_interval() -> None:
    found = classification_metrics(np.array([2]), np.array([[0.1, 0.2, 0.7]]), ["a"])
    why = "one group counts: under 5, no interval is claimed"
    assert found == {
        "accuracy": Measured(1.0, withheld=why),
        "balanced_accuracy": Measured(1.0, withheld=why),
        "macro_f1": Measured(1.0, withheld=why),
        "auc": Measured(None),
    }


def test_metrics_come_in_a_fixed_order_and_never_as_nan() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    found = classification_metrics(truth, scores, [f"g{number // 6}" for number in range(60)])
    assert list(found) == ["accuracy", "balanced_accuracy", "macro_f1", "auc"]
    for one in found.values():
        assert one.value is not None and one.low is not None and one.high is not None
        assert 0 < one.low < one.value < one.high < 1


def test_a_group_that_holds_a_class_alone_does_not_make_its_f1_zero() -> None:
    """Every class is right in nine of ten images, and one lies in a single group: the others are as good without it."""
    truth = np.repeat(np.arange(3), [50, 40, 10])
    groups = [f"g{number // 10}" for number in range(100)]
    predicted = np.where(np.arange(100) % 10 == 0, (truth + 1) % 3, truth)
    found = classification_metrics(truth, np.eye(3)[predicted], groups)
    f1, auc = found["macro_f1"], found["auc"]
    assert f1.low is not None and f1.low > 0.7
    assert auc.low is None and auc.withheld == "it is not defined without one of the groups"


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
    found = per_class(TRUTH, SCORES.argmax(axis=1), ["a", "b", "c", "unseen"], list("wxyz"))
    assert {label: {name: one.value for name, one in values.items()} for label, values in found.items()} == {
        "a": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)},
        "b": {"precision": 0.5, "recall": 0.5, "f1": 0.5},
        "c": {"precision": None, "recall": 0.0, "f1": 0.0},
        "unseen": {"precision": None, "recall": None, "f1": None},
    }
    assert found["b"]["recall"].withheld == "2 groups count: under 5, no interval is claimed"


def test_the_recall_of_a_class_has_the_interval_of_its_images_alone() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 2, (2, 80))
    groups = np.array([f"g{number // 8}" for number in range(80)])
    hits = (predicted == truth)[truth == 1].astype(float)
    expected = measured(ratio(hits, np.ones(len(hits)), groups[truth == 1].tolist()))
    assert per_class(truth, predicted, ["a", "b"], groups.tolist())["b"]["recall"] == expected


@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_of_a_class_equal_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 4, (2, 60))
    expected = sk.precision_recall_fscore_support(truth, predicted, labels=range(4))
    found = per_class(truth, predicted, list("abcd"), [str(number) for number in range(60)]).values()
    for name, values in zip(("precision", "recall", "f1"), expected[:3], strict=True):
        assert [one[name].value for one in found] == pytest.approx(list(values))


def test_groups_make_the_interval_wider_than_images_would() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(20) < 0.7, 10)  # the ten images of a group share their fate
    truth = np.zeros(200, int)
    scores = np.stack([right, ~right], axis=1).astype(float)

    def width(groups: list[str]) -> float:
        one = classification_metrics(truth, scores, groups)["accuracy"]
        assert one.low is not None and one.high is not None
        return one.high - one.low

    assert width([f"{i // 10}" for i in range(200)]) > 2 * width([f"{i}" for i in range(200)])


def test_each_fold_is_measured_separately() -> None:
    truth = np.array([0, 1, 0, 1, 0, 1])
    right = np.array([1, 1, 1, 0, 0, 0])
    probabilities = np.eye(2)[np.where(right, truth, 1 - truth)]
    spread = fold_metrics(truth, probabilities, np.array([0, 0, 1, 1, 2, 2]))
    assert spread["count"] == 3
    assert spread["metrics"]["accuracy"] == {"mean": 0.5, "sd": pytest.approx(0.5), "values": [1.0, 0.5, 0.0]}
