"""Leaving groups out: how much a number varies where its images come in groups (patients, slides, specimens).

Images of one group resemble each other, so that a standard error that takes them to be independent is too small. Here
the groups are independent instead: a number is computed without each group in turn (the delete-a-group jackknife, Tukey
1958; Kott 2001), and the quantiles are those of Student's t with G - 1 degrees of freedom for G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
LEAST_GROUPS = 5  # below, the variation between groups is not known well enough to claim an interval
MOST_PARTS = 200  # more groups are left out in parts of several, which costs no accuracy worth the time


@dataclass(frozen=True)
class LeftOut:
    """A number, and its values without each group in turn.

    Attributes:
        value: over all images; None if it is not defined.
        without: G values in the order of the sorted groups, or of parts of them; None where it is not defined.
        sizes: G numbers, the weight of each group, such as its images.
    """

    value: float | None
    without: tuple[float | None, ...]
    sizes: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """The values without each group that are defined."""
        return np.array([value for value in self.without if value is not None], float)


def positions(groups: Sequence[str]) -> np.ndarray:
    """The number of each image's group, 0 to G - 1: N indices."""
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def t_quantile(groups: int, level: float = LEVEL) -> float:
    """The quantile of Student's t for two-sided limits from so many groups, at least 2."""
    from scipy.stats import t as student

    return float(student.ppf((1 + level) / 2, groups - 1))


def ratio(parts: np.ndarray, wholes: np.ndarray, groups: Sequence[str]) -> LeftOut:
    """A ratio of two sums, such as a share of images or a mean, without each group in turn.

    Args:
        parts: N numbers, such as 1 for a correct answer.
        wholes: N weights, 0 for an image that does not count.
        groups: N groups; a group without weight is none.
    """
    number = positions(groups)
    part, whole = np.bincount(number, parts), np.bincount(number, wholes)
    part, whole = part[whole > 0], whole[whole > 0]
    total = whole.sum()
    without = [
        float((part.sum() - one) / (total - size)) if total > size else None
        for one, size in zip(part, whole, strict=True)
    ]
    return LeftOut(float(part.sum() / total) if total else None, tuple(without), whole)


def each_left_out(
    measure: Callable[[np.ndarray], Mapping[str, float | None]], groups: Sequence[str]
) -> dict[str, LeftOut]:
    """Any metrics without each group in turn; more than 200 groups form 200 parts, drawn with a fixed seed.

    Args:
        measure: computes metrics of a selection of images, given as indices; None where one is not defined.
        groups: N groups.
    """
    number = positions(groups)
    count = int(number.max()) + 1
    if count > MOST_PARTS:
        number = (np.random.default_rng(0).permutation(count) % MOST_PARTS)[number]
        count = MOST_PARTS
    whole = measure(np.arange(len(groups)))
    left = [measure(np.flatnonzero(number != one)) for one in range(count)] if count > 1 else []
    sizes = np.bincount(number)
    return {key: LeftOut(value, tuple(one[key] for one in left), sizes) for key, value in whole.items()}


def jackknife_error(values: np.ndarray) -> float:
    """The standard error of a number from its values without each group in turn."""
    return float(np.sqrt((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()))
