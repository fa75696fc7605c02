"""Sets of classes that contain the true one as often as stated, where images come in groups.

Split conformal prediction (Vovk 2005) needs exchangeable images. Those of one patient are not exchangeable with those
of the next; the patients are. So a threshold is drawn from the calibration groups with equal weight for each, shared by
its images, and one more group of the same weight, the new one, counts as if it were as bad as can be. That is
hierarchical conformal prediction (Lee, Barber and Willett 2023, arXiv:2306.06342). It is what one image of each group,
drawn again and again, gives in the mean (Dunn, Wasserman and Ramdas 2023, doi:10.1080/01621459.2022.2060112), without
their factor of two and without chance. docs/clinical.md compares them.

What holds, if the new group is drawn like the calibration groups and none of them trained the network: the set of a
random image of a new group contains its class with at least the stated probability, on average over calibration cohorts
and new groups. It need not hold for each class, each group or each cohort.

The score is the probability of the class (LAC); with the true probabilities, no other sets of this coverage are smaller
on average (Sadinle 2019, doi:10.1080/01621459.2017.1395341). MAPIE and crepes know more scores, but take images to be
exchangeable, which is why this is no use of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.metrics.clusters import LEAST_GROUPS, positions

_ROUNDING = 1e-9


def needed_groups(coverage: float) -> int:
    """The least number of groups that can promise a coverage: (G + 1)(1 - coverage) must reach 1.

    >>> needed_groups(0.9), needed_groups(0.95)
    (9, 19)
    """
    return max(LEAST_GROUPS, math.ceil(1 / (1 - coverage) - 1 - _ROUNDING))


def why_no_sets(groups: int, coverage: float) -> str:
    """The reason why so many calibration groups promise no coverage, as text; empty if they are enough."""
    if groups >= (needed := needed_groups(coverage)):
        return ""
    have = "there is 1" if groups == 1 else f"there are {groups}"
    return f"a coverage of {100 * coverage:.4g} % needs {needed} groups to calibrate with, and {have}"


def group_threshold(own: np.ndarray, groups: Sequence[str], coverage: float) -> float | None:
    """The least probability of a class in the set, from calibration images in groups.

    Args:
        own: N probabilities of each image's true class.
        groups: N groups.
        coverage: probability that the set of an image of a new group contains its class, below 1.

    Returns:
        The threshold, for `class_sets`; None under `needed_groups(coverage)` groups.

    Raises:
        CytopipeError: a probability is not finite.
    """
    _check(own)
    number = positions(groups) if len(groups) else np.zeros(0, int)
    sizes = np.bincount(number)
    if len(sizes) < needed_groups(coverage):
        return None
    return _lowest(own, 1 / (sizes[number] * (len(sizes) + 1)), coverage)


def image_threshold(own: np.ndarray, coverage: float) -> float | None:
    """The same threshold as if all images were exchangeable; it promises too much where they come in groups."""
    _check(own)
    if len(own) < needed_groups(coverage):
        return None
    return _lowest(own, np.full(len(own), 1 / (len(own) + 1)), coverage)


def _lowest(own: np.ndarray, weights: np.ndarray, coverage: float) -> float:
    """The highest probability that images of this total weight reach."""
    order = np.argsort(-own, kind="stable")
    reached = np.cumsum(weights[order]) >= coverage - _ROUNDING
    return float(own[order][int(reached.argmax())])


def class_sets(probabilities: np.ndarray, least: float | np.ndarray) -> np.ndarray:
    """The classes of each set, N x classes booleans; the most probable class is always one of them.

    Args:
        probabilities: N x classes, calibrated like those that gave the threshold.
        least: least probability of a class in the set: one, or N.
    """
    chosen: np.ndarray = probabilities >= np.reshape(least, (-1, 1))
    chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
    return chosen


def _check(own: np.ndarray) -> None:
    if not np.isfinite(own).all():
        raise CytopipeError("some probabilities are not finite", hint="train the classifier again")
