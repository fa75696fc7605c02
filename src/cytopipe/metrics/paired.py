"""The difference of two models on the same images, with an interval and a test that know of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.metrics.clusters import LEAST_GROUPS, LeftOut, each_left_out, jackknife_error, ratio, t_quantile


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
        reach = t_quantile(self.groups, level) * self.error
        return self.estimate - reach, self.estimate + reach


def paired_difference(difference: np.ndarray, groups: Sequence[str]) -> PairedDifference:
    """Cluster t-test of a mean difference, by the values without each group and t with G - 1 degrees of freedom.

    Args:
        difference: N numbers, first minus second for each image, such as 1, 0 or -1 for correct answers.
        groups: N groups; whole groups count as independent, their images do not.

    Returns:
        The mean difference with its interval and p-value. Where every image has the same difference, no variation is
        seen: p is then that of the sign test over groups, 1 if there is no difference.
    """
    left = ratio(difference, np.ones(len(difference)), groups)
    assert left.value is not None
    return _tested(left.value, left)


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

    def change(rows: np.ndarray) -> dict[str, float | None]:
        one, other = first(rows), second(rows)
        return {"": None if one is None or other is None else one - other}

    left = each_left_out(change, groups)[""]
    return None if left.value is None else _tested(left.value, left)


def _tested(estimate: float, left: LeftOut) -> PairedDifference:
    groups = len(left.sizes)
    if groups < LEAST_GROUPS or None in left.without:
        return PairedDifference(estimate, None, None, None, None, groups)
    error = jackknife_error(left.known)
    if error < 1e-12:  # rounding
        p = 1.0 if abs(estimate) < 1e-12 else 2.0 ** (1 - groups)
        return PairedDifference(estimate, estimate, estimate, p, 0.0, groups)
    from scipy.stats import t as student

    p = float(2 * student.sf(abs(estimate) / error, groups - 1))
    reach = t_quantile(groups) * error
    return PairedDifference(estimate, estimate - reach, estimate + reach, p, error, groups)
