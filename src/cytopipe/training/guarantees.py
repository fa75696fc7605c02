"""Choose what a classifier guarantees on validation groups, or on groups predicted out of fold, not on test images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from cytopipe.core.params import Guarantees
from cytopipe.metrics.conformal import group_threshold, image_threshold, why_no_sets
from cytopipe.metrics.risk_control import group_scores, threshold_for_sensitivity, why_no_threshold
from cytopipe.models.decision_rule import abnormal_groups, abnormality, calibrate
from cytopipe.results.guarantees import GuaranteeRule, SensitivityRule, SetRule
from cytopipe.results.model_spec import DecisionRule

REFITTED = "the network was trained again on the validation images, so that no image is left to calibrate with"
OUT_OF_FOLD = (
    "the score of a group by the mean of the networks is not distributed as that by the network of its fold: the mean "
    "has lower peaks, so that a threshold chosen out of fold would find fewer groups"
)


def choose_guarantees(
    wanted: Guarantees | None,
    truth: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    rule: DecisionRule,
    refitted: bool = False,
    calibrated_on: Literal["validation", "out-of-fold"] = "validation",
) -> GuaranteeRule | None:
    """Choose the thresholds of sets of classes and of the sensitivity of groups.

    Args:
        wanted: what params.yaml asks for; None: nothing.
        truth: N class indices.
        probabilities: N x classes, uncalibrated, by networks that did not train on the image's group.
        groups: N groups.
        classes: names of the classes.
        rule: decision rule of the network.
        refitted: whether the network has been trained on these images since.
        calibrated_on: where the images come from. Out of fold, the rule is for the mean of the networks: the sets keep
            their coverage in simulation, and no theorem says so; sensitivities of groups are withheld.

    Returns:
        The thresholds, or the reasons in words where the groups are too few.
    """
    if wanted is None:
        return None
    calibrated = calibrate(rule, probabilities)
    why = REFITTED if refitted else ""
    return GuaranteeRule(
        calibrated_on=calibrated_on,
        sets=_sets(wanted.coverage, truth, calibrated, groups, why),
        group_score=wanted.group_score,
        patients=_patients(
            wanted,
            truth,
            calibrated,
            groups,
            classes,
            rule.abnormal,
            OUT_OF_FOLD if calibrated_on == "out-of-fold" else why,
        ),
    )


def _sets(coverage: float, truth: np.ndarray, calibrated: np.ndarray, groups: Sequence[str], never: str) -> SetRule:
    count = len(set(groups))
    why = never or why_no_sets(count, coverage)
    own = calibrated[np.arange(len(truth)), truth]
    return SetRule(
        coverage=coverage,
        groups=count,
        images=len(truth),
        least=None if why else _rounded_down(group_threshold(own, groups, coverage)),
        least_by_images=None if why else _rounded_down(image_threshold(own, coverage)),
        withheld=why or None,
    )


def _patients(
    wanted: Guarantees,
    truth: np.ndarray,
    calibrated: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    abnormal: Sequence[str],
    never: str,
) -> tuple[SensitivityRule, ...]:
    """Thresholds that hold with confidence and on average; none without abnormal classes."""
    if not abnormal:
        return ()
    positive = abnormal_groups(truth, groups, classes, abnormal)
    scores = group_scores(abnormality(calibrated, classes, abnormal), groups, wanted.group_score)
    rules, count = [], int(positive.sum())
    for confidence in (wanted.confidence, None):
        why = never or why_no_threshold(count, wanted.sensitivity, confidence)
        score = None if why else threshold_for_sensitivity(scores, positive, wanted.sensitivity, confidence)
        rules.append(
            SensitivityRule(
                sensitivity=wanted.sensitivity,
                confidence=confidence,
                positives=count,
                score=_rounded_down(score),
                withheld=why or None,
            )
        )
    return tuple(rules)


def _rounded_down(threshold: float | None) -> float | None:
    """Six significant digits, never above the threshold: the last bits of a probability depend on the batch."""
    if not threshold:
        return threshold
    step = 10.0 ** (math.floor(math.log10(abs(threshold))) - 5)
    return float(f"{math.floor(threshold / step) * step:.6g}")
