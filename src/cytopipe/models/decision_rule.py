"""Apply the decision rule of a classifier: calibrate, find uncertain predictions, score abnormality.

`results.model_spec.DecisionRule` defines its fields; `training.decision_rule` chooses it on validation images and
`evaluation.decision_rule` measures it on test images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.metrics.risk_control import group_scores
from cytopipe.metrics.temperature import apply_temperature
from cytopipe.results.model_spec import DecisionRule, ModelSpec

WANTED_ERROR = 0.05  # error rate among the images that are not referred to a person


def rule_of(spec: ModelSpec) -> DecisionRule:
    """The decision rule of a trained classifier.

    Raises:
        CytopipeError: the model has none.
    """
    if spec.decision_rule is None:
        raise CytopipeError(
            "the model holds no decision rule", where=spec.architecture, hint="train the classifier again"
        )
    return spec.decision_rule


def calibrate(rule: DecisionRule, probabilities: np.ndarray) -> np.ndarray:
    """Calibrated probabilities, N x classes float64, from the network's own (temperature scaling)."""
    return apply_temperature(probabilities, rule.temperature)


def confidence_threshold(rule: DecisionRule) -> float:
    """The confidence from which a prediction counts as certain; infinite if the rule calls every one uncertain."""
    return np.inf if rule.confidence_threshold is None else rule.confidence_threshold


def abnormality(probabilities: np.ndarray, classes: Sequence[str], abnormal: Sequence[str]) -> np.ndarray:
    """Abnormality score of each image, N float64: the total probability of the abnormal classes."""
    share: np.ndarray = probabilities[:, [label in abnormal for label in classes]].sum(axis=1)
    return share


def abnormal_groups(
    truth: np.ndarray, groups: Sequence[str], classes: Sequence[str], abnormal: Sequence[str]
) -> np.ndarray:
    """Whether any image of a group is abnormal, G booleans in the order of the sorted groups.

    Args:
        truth: N class indices.
        groups: N groups.
        classes: names of the classes.
        abnormal: names of the abnormal classes.
    """
    return group_scores(np.isin(np.asarray(classes)[truth], abnormal).astype(float), groups) > 0
