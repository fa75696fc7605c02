"""The decision rule of a classifier, judged on test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import interval, intervals
from cytopipe.metrics.operating_points import operating_point, wilson
from cytopipe.metrics.selective import area_under_risk, at_threshold
from cytopipe.models import decision_rule
from cytopipe.models.decision_rule import WANTED_ERROR, abnormality, confidence_threshold
from cytopipe.results.model_spec import DecisionRule


def calibrate(probabilities: np.ndarray, decisions: Sequence[DecisionRule], part: np.ndarray) -> np.ndarray:
    """Calibrated probabilities N x classes, each image's by the network that tested it (`part`: N indices)."""
    calibrated = np.zeros_like(probabilities)
    for number, chosen in enumerate(decisions):
        calibrated[part == number] = decision_rule.calibrate(chosen, probabilities[part == number])
    return calibrated


def judge(
    truth: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
    draws: Sequence[np.ndarray],
) -> dict[str, Any]:
    """Judge on test images, each by the decisions that go with the network which tested it.

    Args:
        truth: N class indices.
        probabilities: N x classes, as the networks give them.
        classes: their names.
        decisions: one a network.
        part: N indices of the network that tested each image.
        draws: image indices of the bootstrap's draws, for the intervals of what is no plain proportion.

    Returns:
        `calibration` before and after, `selective` and `operating_points` (empty without a question of abnormality).
    """
    calibrated = calibrate(probabilities, decisions, part)
    sure = [confidence_threshold(chosen) for chosen in decisions]
    return {
        "calibration": {
            "temperature": [chosen.temperature for chosen in decisions],
            "before": _with_intervals(truth, probabilities, draws),
            "after": _with_intervals(truth, calibrated, draws),
        },
        "selective": {
            "wanted_error": WANTED_ERROR,
            **_selective(truth, calibrated, np.array(sure)[part], draws),
        },
        "operating_points": _operating_points(truth, calibrated, classes, decisions, part),
    }


def _with_intervals(truth: np.ndarray, probabilities: np.ndarray, draws: Sequence[np.ndarray]) -> dict[str, Any]:
    return {
        **calibration(truth, probabilities),
        "interval": intervals(truth, probabilities, draws, calibration),
    }


def _selective(
    truth: np.ndarray, calibrated: np.ndarray, threshold: np.ndarray, draws: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Coverage and error are plain proportions, with Wilson's intervals."""
    found = at_threshold(truth, calibrated, threshold)
    kept = calibrated.max(axis=1) >= threshold
    wrong = int((kept & (calibrated.argmax(axis=1) != truth)).sum())
    return {
        **found,
        "aurc": area_under_risk(truth, calibrated),
        "interval": {
            "coverage": wilson(int(kept.sum()), len(truth)),
            "error": wilson(wrong, int(kept.sum())),
            "aurc": interval([area_under_risk(truth[rows], calibrated[rows]) for rows in draws]),
        },
    }


def _operating_points(
    truth: np.ndarray,
    calibrated: np.ndarray,
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
) -> list[dict[str, Any]]:
    abnormal = decisions[0].abnormal
    scores = abnormality(calibrated, classes, abnormal)
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    of_each_network = [chosen.thresholds for chosen in decisions]
    if not all(of_each_network):
        return []
    return [
        {
            "wanted_specificity": same[0].specificity,
            **operating_point(scores, is_abnormal, np.array([one.score for one in same])[part]),
        }
        for same in zip(*of_each_network, strict=True)
    ]
