"""A decision rule is chosen on one set and evaluated on another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cytopipe.evaluation.classifier.decision_rule import evaluate_decision_rule
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import measured
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


def singles(count: int) -> list[str]:
    """Groups of one image each."""
    return [str(number) for number in range(count)]


def test_overconfidence_is_corrected_on_unseen_images() -> None:
    chosen = choose_rule(*case(0), CLASSES, ("healthy",))
    assert chosen.temperature == pytest.approx(3, rel=0.15)
    truth, probabilities = case(1)
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(600, int), singles(600))[
        "calibration"
    ]
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
    first, *_ = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(4000, int), singles(4000))[
        "operating_points"
    ]
    assert first.wanted_specificity == 0.9 and first.specificity.value == pytest.approx(0.9, abs=0.02)


def test_without_normal_classes_there_are_no_operating_points() -> None:
    chosen = choose_rule(*case(0), CLASSES, ())
    assert chosen.abnormal == () and chosen.thresholds == ()
    assert (
        evaluate_decision_rule(*case(1), CLASSES, [chosen], np.zeros(600, int), singles(600))["operating_points"] == ()
    )


def test_validation_without_a_normal_image_chooses_no_threshold() -> None:
    truth, probabilities = case(0)
    chosen = choose_rule(np.full_like(truth, 2), probabilities, CLASSES, ("healthy",))
    assert chosen.abnormal == ("benign", "ill") and chosen.thresholds == ()


def test_each_image_is_evaluated_by_the_decision_rule_of_its_network() -> None:
    truth, probabilities = case(1, 4)
    sure, unsure = (DecisionRule(temperature=1, confidence_threshold=above) for above in (0.0, None))
    half = evaluate_decision_rule(truth, probabilities, CLASSES, [sure, unsure], np.array([0, 1, 0, 1]), singles(4))
    assert half["selective"].coverage.value == 0.5
    assert half["calibration"].temperature == (1, 1)
    assert half["calibration"].before["brier"].value == pytest.approx(half["calibration"].after["brier"].value)


def test_coverage_error_and_area_have_intervals_over_groups() -> None:
    truth, probabilities = case(1, 60)
    groups = [f"{number // 6}" for number in range(60)]
    chosen = DecisionRule(temperature=1, confidence_threshold=0.9)
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(60, int), groups)["selective"]
    kept = probabilities.max(axis=1) >= 0.9
    wrong = kept & (probabilities.argmax(axis=1) != truth)
    assert found.coverage == Estimate.of(measured(ratio(kept.astype(float), np.ones(60), groups)))
    assert found.error == Estimate.of(measured(ratio(wrong.astype(float), kept.astype(float), groups)))
    assert 0 < found.aurc.low < found.aurc.value < found.aurc.high
    unsure = DecisionRule(temperature=1, confidence_threshold=None)
    none = evaluate_decision_rule(truth, probabilities, CLASSES, [unsure], np.zeros(60, int), groups)["selective"]
    assert none.error == Estimate(value=None) and none.coverage.value == 0
    assert none.coverage.high == pytest.approx(1 - 0.025 ** (1.5 / 60))  # 60 images in sixes are worth 40 at .1


def test_proper_scores_have_intervals_and_the_calibration_error_says_why_it_has_none() -> None:
    truth, probabilities = case(1, 60)
    chosen = DecisionRule(temperature=1, confidence_threshold=0.0)
    found = evaluate_decision_rule(truth, probabilities, CLASSES, [chosen], np.zeros(60, int), singles(60))
    before = found["calibration"].before
    assert before["brier"].low < before["brier"].value < before["brier"].high
    assert before["ece"].low is None and "biased upwards" in before["ece"].withheld
    after = found["calibration"].after["brier"]  # a temperature of 1 changes nothing
    assert (after.value, after.low) == (pytest.approx(before["brier"].value), pytest.approx(before["brier"].low))
