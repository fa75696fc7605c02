"""Tables of curves, compared with values computed by hand and with scikit-learn on random scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics import curves
from cytopipe.metrics.curves import BinaryProblem
from cytopipe.metrics.operating_points import wilson

CLASSES = ("a", "b", "c")
TRUTH = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.array(
    [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.3, 0.7, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.6, 0.3, 0.1]]
)
QUESTIONS = curves.one_vs_rest(TRUTH, SCORES, CLASSES)


def random_problem(seed: int, count: int = 70, digits: int = 8) -> BinaryProblem:
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.4
    return BinaryProblem("x", positive, (rng.random(count) + 0.3 * positive).round(digits))


def test_roc_curves_of_a_perfect_classifier_rise_at_once() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    rows = curves.roc_rows(curves.one_vs_rest(np.array([0, 1, 0]), scores, ("a", "b")))
    assert len(rows) == 2 * curves.POINTS
    for label in ("a", "b"):
        curve = [(row["fpr"], row["tpr"]) for row in rows if row["class"] == label]
        assert curve[0] == (0, 0) and curve[-1] == (1, 1)
        assert all(tpr == 1 for _, tpr in curve[1:])


def test_roc_of_constant_scores_is_the_diagonal() -> None:
    rows = curves.roc_rows([BinaryProblem("x", np.array([False, True] * 2), np.full(4, 0.5))])
    assert all(row["tpr"] == pytest.approx(row["fpr"]) for row in rows)


def test_a_known_roc_curve_has_its_steps() -> None:
    # Scores of class a: positives 0.9, 0.6, 0.4; negatives 0.5, 0.3, 0.2.
    rows = [row for row in curves.roc_rows(QUESTIONS) if row["class"] == "a"]
    at = {round(row["fpr"], 2): row["tpr"] for row in rows}
    assert at[0.0] == 0 and at[0.34] == pytest.approx(1, abs=0.01) and at[0.32] == pytest.approx(2 / 3, abs=0.01)
    assert all(later["tpr"] >= earlier["tpr"] for earlier, later in itertools.pairwise(rows))


def test_a_known_precision_recall_curve_has_its_steps() -> None:
    rows = [row for row in curves.pr_rows(QUESTIONS) if row["class"] == "a"]
    at = {round(row["recall"], 2): row["precision"] for row in rows}
    assert len(rows) == curves.POINTS
    # One, two and three of the positives are found with 0, 0 and 1 of the negatives.
    assert at[0.0] == at[0.33] == at[0.66] == 1 and at[0.67] == at[1.0] == 0.75


@pytest.mark.parametrize("digits", [8, 1])  # rounded to 0.1: many ties
@pytest.mark.parametrize("seed", range(5))
def test_precision_is_taken_at_the_highest_threshold_that_reaches_the_recall(seed: int, digits: int) -> None:
    question = random_problem(seed, digits=digits)
    found = {
        threshold: (sk.recall_score(question.positive, called), sk.precision_score(question.positive, called))
        for threshold in np.unique(question.scores)
        for called in [question.scores >= threshold]
    }
    for row in curves.pr_rows([question]):
        highest = max(threshold for threshold, (recall, _) in found.items() if recall >= row["recall"] - 1e-9)
        assert row["precision"] == pytest.approx(found[highest][1])


def test_a_class_without_images_or_with_all_of_them_has_no_curve() -> None:
    only = curves.one_vs_rest(np.zeros(6, int), SCORES, CLASSES)
    for rows in (curves.roc_rows, curves.pr_rows):
        assert {row["class"] for row in rows(QUESTIONS)} == {"a", "b"}
        assert rows(only) == []


def test_reliability_has_each_bin_before_and_after_with_a_wilson_interval() -> None:
    before, after = np.array([[0.9, 0.1]] * 4), np.array([[0.7, 0.3]] * 4)
    rows = curves.reliability_rows(np.array([0, 0, 0, 1]), before, after)
    assert [tuple(row) for row in rows] == [curves.RELIABILITY] * 2
    assert [(row["temperature"], row["confidence"]) for row in rows] == [
        ("before", pytest.approx(0.9)),
        ("after", pytest.approx(0.7)),
    ]
    assert {(row["accuracy"], row["images"]) for row in rows} == {(0.75, 4)}
    assert {"low": rows[0]["low"], "high": rows[0]["high"]} == wilson(3, 4)


def test_net_benefit_of_three_strategies() -> None:
    rows = curves.net_benefit_rows(BinaryProblem("x", np.array([True, True, False]), np.array([1.0, 1.0, 0.0])))
    assert [tuple(row) for row in rows] == [curves.DECISION] * 3 * 99
    at_half = {row["strategy"]: row["net_benefit"] for row in rows if row["threshold"] == 0.5}
    assert at_half == {"model": pytest.approx(2 / 3), "all": pytest.approx(1 / 3), "none": 0}


def test_without_positive_and_negative_images_there_is_no_net_benefit() -> None:
    assert curves.net_benefit_rows(None) == []
    assert curves.net_benefit_rows(BinaryProblem("x", np.ones(3, bool), np.array([0.1, 0.2, 0.3]))) == []


def test_coverage_is_thinned_and_ends_with_the_chosen_point() -> None:
    truth = np.zeros(1000, int)
    first = np.linspace(0.5001, 1, 1000)
    probabilities = np.stack([first, 1 - first], axis=1)
    truth[:100] = 1  # the hundred least sure are wrong
    rows = curves.thinned_coverage_rows(truth, probabilities, np.full(1000, first[500]))
    *curve, chosen = rows
    assert [row["chosen"] for row in rows] == [0] * len(curve) + [1]
    assert len(curve) == curves.POINTS and curve[-1]["coverage"] == 1 and curve[-1]["accuracy"] == 0.9
    assert chosen == {"threshold": first[500], "coverage": 0.5, "accuracy": 1, "chosen": 1}


def test_each_network_s_images_are_kept_by_its_own_threshold() -> None:
    *_, chosen = curves.thinned_coverage_rows(TRUTH, SCORES, np.array([0.5, np.inf, 0.5, np.inf, 0.5, np.inf]))
    assert chosen == {"threshold": 0.5, "coverage": 0.5, "accuracy": pytest.approx(2 / 3), "chosen": 1}
    rows = curves.thinned_coverage_rows(TRUTH, SCORES, np.full(6, np.inf))
    assert {row["chosen"] for row in rows} == {0}


TABLES: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "roc": lambda truth, scores: curves.roc_rows(curves.one_vs_rest(truth, scores, CLASSES)),
    "pr": lambda truth, scores: curves.pr_rows(curves.one_vs_rest(truth, scores, CLASSES)),
    "reliability": lambda truth, scores: curves.reliability_rows(truth, scores, scores),
    "decision": lambda truth, scores: curves.net_benefit_rows(BinaryProblem("x", truth == 0, scores[:, 0])),
    "coverage": lambda truth, scores: curves.thinned_coverage_rows(truth, scores, np.zeros(len(truth))),
}


@pytest.mark.parametrize("name", TABLES)
def test_curves_need_images_and_finite_scores(name: str) -> None:
    scores = SCORES.copy()
    scores[0] = np.nan
    with pytest.raises(CytopipeError, match="1 of 6 predictions are not finite"):
        TABLES[name](TRUTH, scores)
    with pytest.raises(CytopipeError, match="no images"):
        TABLES[name](TRUTH[:0], SCORES[:0])
