"""Reasons why metrics of a classifier are not defined on a test set, for details.json."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.metrics.intervals import too_few
from cytopipe.results.model_spec import DecisionRule

NO_QUESTION = "no class counts as normal,\nso there is no question of abnormality"


def undefined_metrics(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    error: float | None,
) -> dict[str, str]:
    """Give the reason for each number that is not defined, by its name; empty if all are defined.

    Args:
        truth: N class indices.
        predicted: N class indices.
        groups: N names of groups.
        classes: class names.
        decisions: one decision rule per network.
        error: error rate at the confidence threshold; None if no image reaches it.
    """
    actual, named = (np.bincount(one, minlength=len(classes)) for one in (truth, predicted))
    found = {}
    if absent := [label for label, count in zip(classes, actual, strict=True) if not count]:
        found["auc"] = found["recall"] = f"no test image of {', '.join(absent)}"
    elif len(classes) < 2:
        found["auc"] = "there is but one class"
    if unnamed := [label for label, count in zip(classes, named, strict=True) if not count]:
        found["precision"] = f"never predicted: {', '.join(unnamed)}"
    if why := too_few(len(set(groups))):
        found["interval"] = why
    if error is None:
        found["selective.error"] = "no test image is sure enough"
    if why := why_no_operating_point(truth, classes, decisions):
        found["operating_points"] = why.replace("\n", " ")
    return found


def why_no_operating_point(truth: np.ndarray, classes: Sequence[str], decisions: Sequence[DecisionRule]) -> str:
    """The reason why sensitivity or specificity is not defined, as text; empty if both are defined."""
    abnormal = decisions[0].abnormal
    if not abnormal:
        return NO_QUESTION
    is_abnormal = np.isin(np.asarray(classes)[truth], abnormal)
    if is_abnormal.all() or not is_abnormal.any():
        return f"all test images are {'abnormal' if is_abnormal.any() else 'normal'}"
    if not all(chosen.thresholds for chosen in decisions):
        return "the validation images have none that is normal"
    return ""
