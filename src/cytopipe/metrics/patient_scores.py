"""How well the answers for groups (patients, slides) are: every group is one independent unit."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.clusters import LEAST_GROUPS, each_left_out
from cytopipe.metrics.intervals import Measured, Scale, measured
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.patients import expit
from cytopipe.metrics.scores import macro_auc

METHODS = {
    "auc": "jackknife over groups on the logit, t with G - 1 degrees of freedom",
    "sensitivity": "Wilson",
    "specificity": "Wilson",
    "accuracy": "Wilson",
    "brier": "jackknife over groups on the logarithm, t with G - 1 degrees of freedom",
}


def group_auc(odds: np.ndarray, abnormal: np.ndarray) -> float | None:
    """Area under the ROC curve of G log odds; None if all groups are of one class."""
    return macro_auc(abnormal.astype(int), np.stack([-odds, odds], axis=1))


def measure_groups(odds: np.ndarray, abnormal: np.ndarray, called: np.ndarray | None) -> dict[str, Measured]:
    """Numbers with 95 % intervals over groups; an interval is withheld under 5 groups of a class that it needs.

    Args:
        odds: G calibrated log odds.
        abnormal: G booleans, the truth.
        called: G booleans, the decisions; None where they are withheld.

    Returns:
        auc, brier, sensitivity, specificity and accuracy.
    """
    positive, negative = int(abnormal.sum()), int((~abnormal).sum())
    names = [str(place) for place in range(len(odds))]
    left = each_left_out(
        lambda rows: {
            "auc": group_auc(odds[rows], abnormal[rows]),
            "brier": float(((expit(odds[rows]) - abnormal[rows]) ** 2).mean()),
        },
        names,
    )
    why = few(positive, negative)
    found = {name: _unless(why, measured(left[name], scale)) for name, scale in _SCALES}
    if called is None:
        return {**found, **dict.fromkeys(("sensitivity", "specificity", "accuracy"), Measured(None))}
    right = called == abnormal
    return {
        **found,
        "sensitivity": _share(right[abnormal], "abnormal"),
        "specificity": _share(right[~abnormal], "normal"),
        "accuracy": _unless(why, _share(right, "test")),
    }


_SCALES: tuple[tuple[str, Scale], ...] = (("auc", "share"), ("brier", "positive"))


def few(positive: int, negative: int) -> str:
    """Why an interval is withheld, as text; empty if each class has 5 groups."""
    if min(positive, negative) >= LEAST_GROUPS:
        return ""
    return f"{positive} abnormal and {negative} normal groups: under {LEAST_GROUPS} of a class, no interval is claimed"


def _share(right: np.ndarray, what: str) -> Measured:
    limits = wilson(int(right.sum()), len(right))
    if limits is None:
        return Measured(None)
    value = float(right.mean())
    if len(right) < LEAST_GROUPS:
        return Measured(value, withheld=f"{len(right)} {what} groups: under {LEAST_GROUPS}, no interval is claimed")
    return Measured(value, limits["low"], limits["high"])


def _unless(why: str, one: Measured) -> Measured:
    return Measured(one.value, withheld=why) if why and one.value is not None else one
