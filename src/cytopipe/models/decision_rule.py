"""The decision rule of a classifier: how probabilities become calibrated, certain or uncertain, normal or abnormal.

`results.model_spec.DecisionRule` says what it holds; here it is applied. `training.decision_rule` chooses it on
validation images, `evaluation.decision_rule` judges it on test images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import sharpen
from cytopipe.results.model_spec import DecisionRule, ModelSpec

WANTED_ERROR = 0.05  # of the images that are not left to a person


def rule_of(spec: ModelSpec) -> DecisionRule:
    """The decision rule of a trained classifier.

    Raises:
        CytopipeError: the model holds none.
    """
    if spec.decision_rule is None:
        raise CytopipeError(
            "the model holds no decision rule", where=spec.architecture, hint="train the classifier again"
        )
    return spec.decision_rule


def calibrate(rule: DecisionRule, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities, N x classes, as the network gives them -> calibrated ones."""
    return sharpen(probabilities, rule.temperature)


def confidence_threshold(rule: DecisionRule) -> float:
    """The confidence from which an answer needs no person; infinite where every answer needs one."""
    return np.inf if rule.confidence_threshold is None else rule.confidence_threshold


def abnormality(probabilities: np.ndarray, classes: Sequence[str], abnormal: Sequence[str]) -> np.ndarray:
    """The score of abnormality of each image, N: the share of probability on abnormal classes."""
    share: np.ndarray = probabilities[:, [label in abnormal for label in classes]].sum(axis=1)
    return share
