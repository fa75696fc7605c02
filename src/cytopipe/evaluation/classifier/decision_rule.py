"""Evaluation of a classifier's decision rule on test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cytopipe.metrics.calibration import calibration
from cytopipe.metrics.classification import with_interval
from cytopipe.metrics.clusters import each_left_out, ratio
from cytopipe.metrics.intervals import measured
from cytopipe.metrics.operating_points import operating_point
from cytopipe.metrics.registry import calibration_metrics
from cytopipe.metrics.selective import area_under_risk_coverage
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
    groups: Sequence[str],
) -> dict[str, Any]:
    """Evaluate calibration, selective prediction and operating points on test images.

    Each image is evaluated by the decision rule of the network that tested it.

    Args:
        truth: N class indices.
        probabilities: N x classes, uncalibrated.
        classes: class names.
        decisions: one rule per network.
        part: N indices of the network that tested each image.
        groups: N groups.

    Returns:
        The fields `calibration`, `selective` and `operating_points` of ClassifierDetails.
    """
    calibrated = calibrate(probabilities, decisions, part)
    sure = [confidence_threshold(chosen) for chosen in decisions]
    return {
        "calibration": Calibration(
            temperature=tuple(chosen.temperature for chosen in decisions),
            before=_errors(truth, probabilities, groups),
            after=_errors(truth, calibrated, groups),
        ),
        "selective": _selective(truth, calibrated, np.array(sure)[part], groups),
        "operating_points": operating_points(truth, calibrated, classes, decisions, part, groups),
    }


def _errors(truth: np.ndarray, probabilities: np.ndarray, groups: Sequence[str]) -> Estimates:
    left = each_left_out(lambda rows: calibration(truth[rows], probabilities[rows]), groups)
    scales = {one.key: one.scale for one in calibration_metrics()}
    return {key: Estimate.of(with_interval(one, scales[key])) for key, one in left.items()}


def _selective(truth: np.ndarray, calibrated: np.ndarray, threshold: np.ndarray, groups: Sequence[str]) -> Selective:
    kept = (calibrated.max(axis=1) >= threshold).astype(float)
    wrong = kept * (calibrated.argmax(axis=1) != truth)
    risk = each_left_out(lambda rows: {"": area_under_risk_coverage(truth[rows], calibrated[rows])}, groups)[""]
    return Selective(
        wanted_error=WANTED_ERROR,
        coverage=Estimate.of(measured(ratio(kept, np.ones(len(truth)), groups))),
        error=Estimate.of(measured(ratio(wrong, kept, groups))),
        aurc=Estimate.of(measured(risk, "positive")),
    )


def operating_points(
    truth: np.ndarray,
    calibrated: np.ndarray,
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
    groups: Sequence[str],
) -> tuple[OperatingPoint, ...]:
    """Sensitivity and specificity at the chosen thresholds; arguments as for `evaluate_decision_rule`, calibrated."""
    abnormal = decisions[0].abnormal
    scores = abnormality(calibrated, classes, abnormal)
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    of_each_network = [chosen.thresholds for chosen in decisions]
    if not all(of_each_network):
        return ()
    points = []
    for same in zip(*of_each_network, strict=True):
        found = operating_point(scores, is_abnormal, np.array([one.score for one in same])[part], groups)
        points.append(OperatingPoint(wanted_specificity=same[0].specificity, **Estimate.of_all(found)))
    return tuple(points)
