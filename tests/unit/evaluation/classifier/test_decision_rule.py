"""A decision rule is chosen on one set and evaluated on another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cytopipe.evaluation.classifier.decision_rule import evaluate_decision_rule
from cytopipe.metrics.operating_points import wilson
from cytopipe.models.decision_rule import abnormality
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.numbers import Estimate
from cytopipe.training.decision_rule import choose_rule

CLASSES = ("healthy", "benign", "ill")


def case(seed: int, count: int = 600, boast: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from calibrated probabilities, and overconfident logits."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    return truth, softmax(boast * logits, axis=1)


def test_overconfidence_is_corrected_on_unseen_images() -> None:
    chosen = choose_rule(*case(0), CLASSES, ("healthy",))
    assert chosen.temperature == pytest.approx(3, rel=0.15)
    truth, probabilities = case(1)
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(600, int), [])["calibration"]
    assert found.after["ece"].value < 0.06 < found.before["ece"].value
    assert found.after["log_loss"].value < found.before["log_loss"].value


def test_abnormality_adds_up_all_classes_that_are_not_normal() -> None:
    chosen = choose_rule(*case(0), CLASSES, ("healthy", "benign"))
    assert chosen.abnormal == ("ill",)
    assert abnormality(np.array([[0.2, 0.3, 0.5]]), CLASSES, ("benign", "ill")).tolist() == [0.8]
    assert [one.specificity for one in chosen.thresholds] == [0.9, 0.95, 0.99]
    scores = [one.score for one in chosen.thresholds]
    assert scores == sorted(scores)


def test_the_wanted_specificity_is_nearly_reached_on_unseen_images() -> None:
    chosen = choose_rule(*case(0, 4000), CLASSES, ("healthy", "benign"))
    truth, probabilities = case(1, 4000)
    first, *_ = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(4000, int), [])[
        "operating_points"
    ]
    assert first.wanted_specificity == 0.9 and first.specificity.value == pytest.approx(0.9, abs=0.02)


def test_without_normal_classes_there_are_no_operating_points() -> None:
    chosen = choose_rule(*case(0), CLASSES, ())
    assert chosen.abnormal == () and chosen.thresholds == ()
    assert evaluate_decision_rule(*case(1), CLASSES, [chosen], np.zeros(600, int), [])["operating_points"] == ()


def test_validation_without_a_normal_image_chooses_no_threshold() -> None:
    truth, probabilities = case(0)
    chosen = choose_rule(np.full_like(truth, 2), probabilities, CLASSES, ("healthy",))
    assert chosen.abnormal == ("benign", "ill") and chosen.thresholds == ()


def test_each_image_is_evaluated_by_the_decision_rule_of_its_network() -> None:
    truth, probabilities = case(1, 4)
    sure, unsure = (DecisionRule(temperature=1, confidence_threshold=above) for above in (0.0, None))
    half = evaluate_decision_rule(truth, probabilities, CLASSES, [sure, unsure], np.array([0, 1, 0, 1]), [])
    assert half["selective"].coverage.value == 0.5
    assert half["calibration"].temperature == (1, 1)
    assert half["calibration"].before["brier"].value == pytest.approx(half["calibration"].after["brier"].value)


def test_selective_prediction_has_wilson_intervals_and_a_bootstrap_of_the_area() -> None:
    truth, probabilities = case(1, 50)
    chosen = DecisionRule(temperature=1, confidence_threshold=0.9)
    draws = [np.arange(50), np.arange(49, -1, -1)]  # the same images in another order
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(50, int), draws)["selective"]
    kept = round(50 * found.coverage.value)
    assert 0 < kept < 50
    assert found.coverage == Estimate.of(kept / 50, wilson(kept, 50))
    wrong = round(kept * found.error.value)
    assert found.error == Estimate.of(wrong / kept, wilson(wrong, kept))
    assert (found.aurc.low, found.aurc.high) == pytest.approx((found.aurc.value, found.aurc.value))
    none = evaluate_decision_rule(
        truth, probabilities, CLASSES, [DecisionRule(temperature=1, confidence_threshold=None)], np.zeros(50, int), []
    )
    assert none["selective"].error.low is none["selective"].aurc.low is None


def test_calibration_has_bootstrap_intervals() -> None:
    truth, probabilities = case(1, 50)
    draws = [np.arange(50), np.arange(25), np.arange(25, 50)]
    chosen = DecisionRule(temperature=1, confidence_threshold=0.0)
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(50, int), draws)["calibration"]
    brier = found.before["brier"]
    assert brier.low < brier.value < brier.high
    assert found.before == found.after  # a temperature of 1 changes nothing
