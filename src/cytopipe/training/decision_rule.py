"""Choose the decision rule of a classifier on validation images, never on the test images that evaluate it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.metrics.operating_points import SPECIFICITIES, threshold_at_specificity
from cytopipe.metrics.selective import threshold_for_error
from cytopipe.metrics.temperature import apply_temperature, fit_temperature, logits_of
from cytopipe.models.decision_rule import WANTED_ERROR, abnormality
from cytopipe.results.model_spec import DecisionRule, Threshold


def choose_rule(
    truth: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], normal: Sequence[str]
) -> DecisionRule:
    """Choose the decision rule on validation images.

    Args:
        truth: N class indices.
        probabilities: N x classes, uncalibrated.
        classes: names of the classes.
        normal: names of the classes without disease; if empty, the rule has no thresholds for abnormality.
    """
    # As exact as details.json prints it, so that its readers recompute the very same probabilities.
    temperature = float(f"{fit_temperature(logits_of(probabilities), truth):.6g}")
    calibrated = apply_temperature(probabilities, temperature)
    abnormal = [label for label in classes if label not in normal] if normal else []
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    thresholds = []
    if abnormal and not is_abnormal.all():
        scores = abnormality(calibrated, classes, abnormal)
        thresholds = [
            Threshold(specificity=wanted, score=threshold_at_specificity(scores, is_abnormal, wanted))
            for wanted in SPECIFICITIES
        ]
    return DecisionRule(
        temperature=temperature,
        confidence_threshold=threshold_for_error(truth, calibrated, WANTED_ERROR),
        abnormal=tuple(abnormal),
        thresholds=tuple(thresholds),
    )
