"""Standard errors of numbers whose images come in groups: patients, slides or specimens.

Images of one group resemble each other, so that a standard error that takes them to be independent is too small. Both
estimators here take the groups to be independent instead, and go with the quantiles of Student's t with G - 1 degrees
of freedom for G groups (Bell and McCaffrey 2002; Cameron and Miller 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95
LEAST_GROUPS = 5  # below, the variation between groups is not known well enough to claim an interval


def t_quantile(groups: int) -> float:
    """The quantile of Student's t for two-sided 95 % limits from so many groups, at least 2."""
    return float(student.ppf((1 + LEVEL) / 2, groups - 1))


def positions(groups: Sequence[str]) -> np.ndarray:
    """The number of each image's group, 0 to G - 1: N indices."""
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def ratio_error(parts: np.ndarray, wholes: np.ndarray, groups: Sequence[str]) -> tuple[float, float]:
    """The ratio of two sums and its cluster-robust standard error, by linearisation (Cochran 1977, section 6.5).

    Args:
        parts: N numbers, such as 1 for a correct answer.
        wholes: N weights whose sum is above 0, such as 1 for each image that counts.
        groups: N groups, at least 2 different ones of weight.

    Returns:
        The sum of `parts` by the sum of `wholes`, and its standard error.
    """
    number = positions(groups)
    ratio = parts.sum() / wholes.sum()
    residuals = np.bincount(number, parts - ratio * wholes)
    count = int((np.bincount(number, np.abs(wholes)) > 0).sum())
    return float(ratio), float(np.sqrt(count / (count - 1) * (residuals**2).sum()) / wholes.sum())


def jackknife(measure: Callable[[np.ndarray], float | None], groups: Sequence[str]) -> list[float | None]:
    """A metric without each group in turn (delete-a-group jackknife, Tukey 1958).

    Args:
        measure: computes the metric of a selection of images, given as indices; None where it is not defined.
        groups: N groups.

    Returns:
        G values, in the order of the sorted groups.
    """
    number = positions(groups)
    return [measure(np.flatnonzero(number != one)) for one in range(int(number.max()) + 1)]


def jackknife_error(values: Sequence[float]) -> float:
    """The standard error of a metric from its values without each group in turn."""
    kept = np.asarray(values, float)
    return float(np.sqrt((len(kept) - 1) / len(kept) * ((kept - kept.mean()) ** 2).sum()))
