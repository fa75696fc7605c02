"""Why a number of an evaluation is null: said in summary.json beside the numbers that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cytopipe.results.model_spec import DecisionRule

NO_QUESTION = "no class counts as normal,\nso there is no question of abnormality"


def undefined(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    selective: Mapping[str, Any],
) -> dict[str, str]:
    """The reason of each number that is null, by its name; empty where all are defined.

    Args:
        truth: N class indices.
        predicted: N class indices.
        groups: N names.
        classes: their names.
        decisions: one a network.
        selective: of metrics.json.
    """
    actual, named = (np.bincount(one, minlength=len(classes)) for one in (truth, predicted))
    found = {}
    if absent := [label for label, count in zip(classes, actual, strict=True) if not count]:
        found["auc"] = found["recall"] = f"no test image of {', '.join(absent)}"
    elif len(classes) < 2:
        found["auc"] = "there is but one class"
    if unnamed := [label for label, count in zip(classes, named, strict=True) if not count]:
        found["precision"] = f"never predicted: {', '.join(unnamed)}"
    if len(set(groups)) < 2:
        found["interval"] = "all test images are of one group, which says nothing about the next"
    if selective["error"] is None:
        found["selective.error"] = "no test image is sure enough"
    if why := no_operating_point(truth, classes, decisions):
        found["operating_points"] = why.replace("\n", " ")
    return found


def no_operating_point(truth: np.ndarray, classes: Sequence[str], decisions: Sequence[DecisionRule]) -> str:
    """Why sensitivity or specificity is not known, for people; empty where both are."""
    abnormal = decisions[0].abnormal
    if not abnormal:
        return NO_QUESTION
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    if is_abnormal.all() or not is_abnormal.any():
        return f"all test images are {'abnormal' if is_abnormal.any() else 'normal'}"
    if not all(chosen.thresholds for chosen in decisions):
        return "the validation images have none that is normal"
    return ""
