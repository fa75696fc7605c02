"""Evaluation of a classifier's decision rule on test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import interval, intervals
from cytopipe.metrics.operating_points import operating_point, wilson
from cytopipe.metrics.selective import area_under_risk_coverage, at_threshold
from cytopipe.models import decision_rule
from cytopipe.models.decision_rule import WANTED_ERROR, abnormality, confidence_threshold
from cytopipe.results.classifier import Calibration, OperatingPoint, Selective
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.numbers import Estimate, Estimates


def calibrate(probabilities: np.ndarray, decisions: Sequence[DecisionRule], part: np.ndarray) -> np.ndarray:
    """Calibrate N x classes probabilities, each row by the rule of the network that tested the image.

    Args:
        probabilities: N x classes, uncalibrated.
        decisions: one rule per network.
        part: N indices of the network that tested each image.
    """
    calibrated = np.zeros_like(probabilities)
    for number, chosen in enumerate(decisions):
        calibrated[part == number] = decision_rule.calibrate(chosen, probabilities[part == number])
    return calibrated


def evaluate_decision_rule(
    truth: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
    draws: Sequence[np.ndarray],
) -> dict[str, Any]:
    """Evaluate calibration, selective prediction and operating points on test images.

    Each image is evaluated by the decision rule of the network that tested it.

    Args:
        truth: N class indices.
        probabilities: N x classes, uncalibrated.
        classes: class names.
        decisions: one rule per network.
        part: N indices of the network that tested each image.
        draws: image indices of each bootstrap draw, for the intervals of all but proportions.

    Returns:
        The fields `calibration`, `selective` and `operating_points` of ClassifierDetails.
    """
    calibrated = calibrate(probabilities, decisions, part)
    sure = [confidence_threshold(chosen) for chosen in decisions]
    return {
        "calibration": Calibration(
            temperature=tuple(chosen.temperature for chosen in decisions),
            before=_errors(truth, probabilities, draws),
            after=_errors(truth, calibrated, draws),
        ),
        "selective": _selective(truth, calibrated, np.array(sure)[part], draws),
        "operating_points": _operating_points(truth, calibrated, classes, decisions, part),
    }


def _errors(truth: np.ndarray, probabilities: np.ndarray, draws: Sequence[np.ndarray]) -> Estimates:
    limits = intervals(truth, probabilities, draws, calibration)
    return {name: Estimate.of(value, limits[name]) for name, value in calibration(truth, probabilities).items()}


def _selective(
    truth: np.ndarray, calibrated: np.ndarray, threshold: np.ndarray, draws: Sequence[np.ndarray]
) -> Selective:
    """Selective prediction; coverage and error are proportions with Wilson intervals."""
    found = at_threshold(truth, calibrated, threshold)
    kept = calibrated.max(axis=1) >= threshold
    wrong = int((kept & (calibrated.argmax(axis=1) != truth)).sum())
    risks = [area_under_risk_coverage(truth[rows], calibrated[rows]) for rows in draws]
    return Selective(
        wanted_error=WANTED_ERROR,
        coverage=Estimate.of(found["coverage"], wilson(int(kept.sum()), len(truth))),
        error=Estimate.of(found["error"], wilson(wrong, int(kept.sum()))),
        aurc=Estimate.of(area_under_risk_coverage(truth, calibrated), interval(risks)),
    )


def _operating_points(
    truth: np.ndarray,
    calibrated: np.ndarray,
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
) -> tuple[OperatingPoint, ...]:
    abnormal = decisions[0].abnormal
    scores = abnormality(calibrated, classes, abnormal)
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    of_each_network = [chosen.thresholds for chosen in decisions]
    if not all(of_each_network):
        return ()
    points = []
    for same in zip(*of_each_network, strict=True):
        found = operating_point(scores, is_abnormal, np.array([one.score for one in same])[part])
        points.append(
            OperatingPoint(
                wanted_specificity=same[0].specificity,
                sensitivity=Estimate.of(found["sensitivity"], found["sensitivity_interval"]),
                specificity=Estimate.of(found["specificity"], found["specificity_interval"]),
            )
        )
    return tuple(points)
