"""Thresholds of a score of patients at which a stated share of the abnormal ones is found, with a stated certainty.

Each patient, slide or other group counts once, whatever the number of its images. With n abnormal groups, the share
that the k-th lowest of their scores finds has a beta distribution with parameters n - k + 1 and k if scores are
continuous, and is larger if they are tied. Hence two promises:

- with confidence: the sensitivity in new groups is at least as stated in (say) 95 of 100 calibration cohorts; it is the
  exact binomial bound of Clopper and Pearson (1934), as in the tolerance limits of Wilks (1941);
- on average over cohorts: the expected sensitivity is at least as stated; it is conformal risk control (Angelopoulos
  2022, arXiv:2208.02814) for the loss of missing a patient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.metrics.clusters import LEAST_GROUPS, positions

GroupScore = Literal["max", "mean"]
_ROUNDING = 1e-9


def needed_positives(sensitivity: float, confidence: float | None) -> int:
    """The least number of abnormal groups that can promise a sensitivity; without confidence: on average.

    >>> needed_positives(0.95, 0.95), needed_positives(0.95, None)
    (59, 19)
    """
    if confidence is None:
        return max(LEAST_GROUPS, math.ceil(1 / (1 - sensitivity) - 1 - _ROUNDING))
    return max(LEAST_GROUPS, math.ceil(math.log(1 - confidence) / math.log(sensitivity) - _ROUNDING))


def why_no_threshold(positives: int, sensitivity: float, confidence: float | None) -> str:
    """The reason why so many abnormal groups promise no sensitivity, as text; empty if they are enough."""
    if positives >= (needed := needed_positives(sensitivity, confidence)):
        return ""
    how = "on average" if confidence is None else f"with {100 * confidence:.4g} % confidence"
    have = "there is 1" if positives == 1 else f"there are {positives}"
    what = f"a sensitivity of {100 * sensitivity:.4g} % {how}"
    return f"{what} needs {needed} abnormal groups to calibrate with, and {have}"


def threshold_for_sensitivity(
    scores: np.ndarray, positive: np.ndarray, sensitivity: float, confidence: float | None = 0.95
) -> float | None:
    """The highest threshold that keeps a sensitivity in new groups; a group whose score reaches it is called abnormal.

    Args:
        scores: G scores, one for each group (patient, slide).
        positive: G booleans, whether the group is abnormal.
        sensitivity: share of the abnormal groups to be found, between 0 and 1.
        confidence: probability, over calibration cohorts, that this share is reached; None: it is reached on average.

    Returns:
        The threshold; None under `needed_positives(sensitivity, confidence)` abnormal groups.

    Raises:
        CytopipeError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise CytopipeError("some scores are not finite", hint="train the classifier again")
    found = np.sort(scores[np.asarray(positive, bool)])
    if len(found) < needed_positives(sensitivity, confidence):
        return None
    return float(found[_rank(len(found), sensitivity, confidence) - 1])


def _rank(positives: int, sensitivity: float, confidence: float | None) -> int:
    """How many of the lowest scores of abnormal groups bound the threshold, 1 for the lowest."""
    if confidence is None:
        return int((positives + 1) * (1 - sensitivity) + _ROUNDING)
    from scipy.stats import binom

    missed = binom.cdf(np.arange(positives), positives, 1 - sensitivity)  # of at most 0, 1, 2 ... groups
    return int(np.searchsorted(missed, 1 - confidence + _ROUNDING, side="right"))


def group_scores(scores: np.ndarray, groups: Sequence[str], how: GroupScore = "max") -> np.ndarray:
    """One score for each group, in the order of the sorted groups: the largest or the mean of its images.

    Args:
        scores: N numbers, one for each image; booleans with "max" say whether any image of the group is true.
        groups: N groups.
        how: "max" or "mean".
    """
    number = positions(groups)
    if how == "mean":
        mean: np.ndarray = np.bincount(number, scores) / np.bincount(number)
        return mean
    largest = np.full(int(number.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(largest, number, scores)
    return largest
