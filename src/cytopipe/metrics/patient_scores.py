"""How well the answers for groups (patients, slides) are: every group is one independent unit."""

from __future__ import annotations

import numpy as np

from cytopipe.metrics.clusters import LEAST_GROUPS, ratio
from cytopipe.metrics.intervals import Measured, measured
from cytopipe.metrics.operating_points import wilson
from cytopipe.metrics.patients import expit
from cytopipe.metrics.scores import binary_auc


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
    why = few(positive, negative)
    found = {"auc": _unless(why, area_with_limits(odds, abnormal)), "brier": _unless(why, _brier(odds, abnormal))}
    if called is None:
        return {**found, **dict.fromkeys(("sensitivity", "specificity", "accuracy"), Measured(None))}
    right = called == abnormal
    return {
        **found,
        "sensitivity": _share(right[abnormal], "abnormal"),
        "specificity": _share(right[~abnormal], "normal"),
        "accuracy": _unless(why, _share(right, "test")),
    }


def area_with_limits(odds: np.ndarray, abnormal: np.ndarray) -> Measured:
    """The area under the ROC curve with limits for independent groups.

    The limits are the areas whose standard error, by the exponential model of Hanley and McNeil (1982), the estimate is
    1.96 of away (Newcombe 2006, method 5, doi:10.1002/sim.2324). A jackknife sees next to no variation where a few
    groups are in the wrong order, and none at an area of 1.
    """
    area = binary_auc(odds, abnormal)
    if area is None:
        return Measured(None)
    positive, negative = int(abnormal.sum()), int((~abnormal).sum())

    def reach(true: float) -> float:
        more = ((positive + negative) / 2 - 1) * ((1 - true) / (2 - true) + true / (1 + true))
        return 1.959964 * float(np.sqrt(true * (1 - true) * (1 + more) / (positive * negative)))

    def limit(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(area - middle) <= reach(middle) else (inside, middle)
        return inside

    return Measured(area, limit(area, 0.0), limit(area, 1.0))


def _brier(odds: np.ndarray, abnormal: np.ndarray) -> Measured:
    """Mean squared error of the scores; its interval is that of a mean, by leaving out each group, on the logarithm."""
    errors = (expit(odds) - abnormal) ** 2
    return measured(ratio(errors, np.ones(len(errors)), [str(place) for place in range(len(errors))]), "positive")


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
