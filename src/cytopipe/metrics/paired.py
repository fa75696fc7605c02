"""The difference of two models on the same images, with an interval and a test that know of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from cytopipe.metrics.clusters import LEAST_GROUPS, LEVEL, jackknife, jackknife_error, positions, ratio_error


@dataclass(frozen=True)
class PairedDifference:
    """The first model minus the second.

    Attributes:
        estimate: the difference over all images.
        low, high: its 95 % limits; None under 5 groups.
        p: two-sided p-value of no difference; None under 5 groups.
        error: its standard error; None under 5 groups.
        groups: number of groups.
    """

    estimate: float
    low: float | None
    high: float | None
    p: float | None
    error: float | None
    groups: int

    def at(self, level: float) -> tuple[float, float] | None:
        """The limits at another level, such as 1 - .05 / 3 for the strictest of three pairs; None under 5 groups."""
        if self.error is None:
            return None
        reach = float(student.ppf((1 + level) / 2, self.groups - 1)) * self.error
        return self.estimate - reach, self.estimate + reach


def paired_difference(difference: np.ndarray, groups: Sequence[str]) -> PairedDifference:
    """Cluster t-test of a mean difference: ratio estimator, cluster-robust standard error, t with G - 1 degrees.

    Args:
        difference: N numbers, first minus second for each image, such as 1, 0 or -1 for correct answers.
        groups: N groups; whole groups count as independent, their images do not.

    Returns:
        The mean difference with its interval and p-value. Where every image has the same difference, no variation is
        seen: p is then that of the sign test over groups, 1 if there is no difference.
    """
    count = int(positions(groups).max()) + 1
    estimate = float(difference.mean())
    if count < LEAST_GROUPS:
        return PairedDifference(estimate, None, None, None, None, count)
    return _tested(estimate, ratio_error(difference, np.ones(len(difference)), groups)[1], count)


def paired_jackknife(
    first: Callable[[np.ndarray], float | None], second: Callable[[np.ndarray], float | None], groups: Sequence[str]
) -> PairedDifference | None:
    """The same for metrics that are no mean over images, such as AUC and macro F1, by the group jackknife.

    Args:
        first, second: compute the metric of either model on a selection of images, given as indices.
        groups: N groups.

    Returns:
        The difference; None where the metric is not defined on all images. Without limits and p where it is not defined
        when one of the groups is left out.
    """

    def change(rows: np.ndarray) -> float | None:
        one, other = first(rows), second(rows)
        return None if one is None or other is None else one - other

    estimate = change(np.arange(len(groups)))
    if estimate is None:
        return None
    count = int(positions(groups).max()) + 1
    values = jackknife(change, groups) if count >= LEAST_GROUPS else [None]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return PairedDifference(estimate, None, None, None, None, count)
    return _tested(estimate, jackknife_error(known), count)


def _tested(estimate: float, error: float, groups: int) -> PairedDifference:
    if error < 1e-12:  # rounding
        p = 1.0 if abs(estimate) < 1e-12 else 2.0 ** (1 - groups)
        return PairedDifference(estimate, estimate, estimate, p, 0.0, groups)
    p = float(2 * student.sf(abs(estimate) / error, groups - 1))
    reach = float(student.ppf((1 + LEVEL) / 2, groups - 1)) * error
    return PairedDifference(estimate, estimate - reach, estimate + reach, p, error, groups)
