"""Confident learning: planted errors are named, honest predictions name few, and weak ones name none."""

from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.label_errors import LEAST_SKILL, label_errors

CLASSES, GROUPS, IN_GROUP = 3, 40, 15


def predictions(strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels, calibrated probabilities of them, and groups: the labels are drawn from the probabilities."""
    rng = np.random.default_rng(seed)
    scores = strength * rng.normal(size=(GROUPS * IN_GROUP, CLASSES))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.uniform(size=(len(scores), 1))).argmax(axis=1)
    return labels, probabilities, [f"g{number // IN_GROUP}" for number in range(len(labels))]


def flip(labels: np.ndarray, share: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[chosen] = (labels[chosen] + rng.integers(1, CLASSES, len(chosen))) % CLASSES
    return changed, chosen


def test_flipped_labels_are_named_the_least_probable_first() -> None:
    labels, probabilities, groups = predictions(8.0)
    changed, wrong = flip(labels, 0.05)
    found = label_errors(changed, probabilities, groups)
    assert found.withheld == ""
    assert np.isin(wrong, found.positions).mean() > 0.85
    assert np.isin(found.positions, wrong).mean() > 0.5
    assert (np.diff(found.self_confidence[found.positions]) >= 0).all()
    assert np.array_equal(found.suggested, probabilities.argmax(axis=1))
    assert found.self_confidence[3] == pytest.approx(probabilities[3, changed[3]], abs=1e-5)
    assert found.confidence == pytest.approx(probabilities.max(axis=1), abs=1e-5)


def test_correct_labels_of_sure_predictions_are_not_named() -> None:
    labels, _, groups = predictions(8.0)
    sure = np.full((len(labels), CLASSES), 0.02) + 0.94 * np.eye(CLASSES)[labels]
    assert len(label_errors(labels, sure, groups).positions) == 0


def test_predictions_that_are_often_wrong_name_nothing() -> None:
    labels, probabilities, groups = predictions(1.0)
    found = label_errors(labels, probabilities, groups)
    assert found.skill is not None and found.skill < LEAST_SKILL
    assert len(found.positions) == 0
    assert "too often wrong themselves" in found.withheld


def test_too_few_groups_name_nothing() -> None:
    labels, probabilities, groups = predictions(8.0)
    found = label_errors(labels, probabilities, [f"g{int(name[1:]) % 4}" for name in groups])
    assert found.withheld == "4 groups count: under 5, no interval is claimed"
    assert len(found.positions) == 0


def test_the_last_bit_of_a_probability_decides_nothing() -> None:
    labels, probabilities, groups = predictions(4.0)
    changed, _ = flip(labels, 0.05)
    nudged = probabilities * (1 + 1e-12 * np.random.default_rng(0).normal(size=probabilities.shape))
    one, other = label_errors(changed, probabilities, groups), label_errors(changed, nudged, groups)
    assert np.array_equal(one.positions, other.positions)
    assert np.array_equal(one.self_confidence, other.self_confidence)
