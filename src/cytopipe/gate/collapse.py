"""Groups that a change lost: a loss in one patient disappears in a mean over all, and in its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

LEVEL = 0.01  # of the sign test of all groups together


@dataclass(frozen=True)
class Collapse:
    """A group that a change lost: its images, how many of them are worse, and the mean loss."""

    group: str
    images: int
    worse: int
    loss: float

    def __str__(self) -> str:
        return f"group {self.group} collapsed: {self.worse} of its {self.images} images are worse"


def collapsed(gains: np.ndarray, groups: Sequence[str], least: float) -> list[Collapse]:
    """Groups that lost `least` or more on average, beyond what chance explains.

    Images that a change makes better or worse by chance are as often the one as the other. The p-value of a group is
    that of the one-sided sign test on its images that changed (of right and wrong answers: the exact test of McNemar
    1947), times the number of groups (Bonferroni).

    Args:
        gains: N changes, positive for the better; NaN for an image that does not count.
        groups: N groups.
        least: mean loss below which a group has not collapsed.
    """
    names = np.asarray(groups)
    known = ~np.isnan(gains)
    every = np.unique(names[known])
    found = []
    for name in every:
        of_group = gains[known & (names == name)]
        worse, changed = int((of_group < 0).sum()), int((of_group != 0).sum())
        loss = -float(of_group.mean())
        if loss >= least and binomtest(worse, changed, alternative="greater").pvalue * len(every) <= LEVEL:
            found.append(Collapse(str(name), len(of_group), worse, loss))
    return sorted(found, key=lambda one: (-one.loss, one.group))
