"""Calibration, compared with values computed by hand and with scikit-learn on random scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as sk

from cytopipe.metrics.calibration import brier_score, calibration, expected_calibration_error, log_loss, reliability
from cytopipe.metrics.temperature import apply_temperature, logits_of


def two_classes(*first: float) -> np.ndarray:
    """Probabilities of two classes, given those of the first."""
    return np.array([[p, 1 - p] for p in first])


def random_case(seed: int, classes: int = 4, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=count), softmax(2 * rng.normal(size=(count, classes)), axis=1)


def test_reliability_counts_confidence_and_accuracy_of_each_bin() -> None:
    truth = np.array([0, 1, 0, 0])
    rows = reliability(truth, two_classes(0.9, 0.8, 0.85, 0.6), bins=5)
    assert [(row["low"], row["images"]) for row in rows] == [(pytest.approx(0.4), 1), (pytest.approx(0.6), 1), (0.8, 2)]
    assert [row["accuracy"] for row in rows] == [1, 0, 1]
    assert [row["confidence"] for row in rows] == pytest.approx([0.6, 0.8, 0.875])
    assert expected_calibration_error(truth, two_classes(0.9, 0.8, 0.85, 0.6), bins=5) == pytest.approx(
        (0.4 + 0.8 + 2 * 0.125) / 4
    )


def test_confidences_on_bin_edges_belong_to_a_bin() -> None:
    rows = reliability(np.array([0, 0]), two_classes(1.0, 0.5), bins=2)
    assert [(row["low"], row["high"], row["images"]) for row in rows] == [(0, 0.5, 1), (0.5, 1, 1)]


def test_perfect_and_completely_wrong_predictions() -> None:
    sure = two_classes(1.0, 1.0)
    assert calibration(np.array([0, 0]), sure) == {"ece": 0, "brier": 0, "log_loss": 0}
    wrong = calibration(np.array([1, 1]), sure)
    assert (wrong["ece"], wrong["brier"]) == (1, 2)
    assert wrong["log_loss"] is not None and np.isfinite(wrong["log_loss"])


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    truth, probabilities = random_case(seed)
    assert log_loss(truth, probabilities) == pytest.approx(sk.log_loss(truth, probabilities, labels=range(4)))
    truth, probabilities = random_case(seed, classes=2)
    # Of two classes scikit-learn counts one; here both are counted.
    assert brier_score(truth, probabilities) == pytest.approx(2 * sk.brier_score_loss(truth, probabilities[:, 1]))


def test_sharpening_keeps_the_order_and_a_temperature_of_one_changes_nothing() -> None:
    _, probabilities = random_case(0)
    assert np.allclose(apply_temperature(probabilities, 1), probabilities)
    milder = apply_temperature(probabilities, 4)
    assert (milder.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert (milder.max(axis=1) < probabilities.max(axis=1)).all()
    assert np.isfinite(logits_of(np.array([[1.0, 0.0]]))).all()
