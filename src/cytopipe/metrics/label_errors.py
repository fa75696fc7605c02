"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125).

Probabilities of images that the classifier was not trained on say, class by class, how many labels are probably wrong
and which; cleanlab, by the same authors, computes it. An image is suspected if it is among those that both of their
rules prune (by class and by noise rate), and the suspects are ranked by their self-confidence, the probability of the
given label. A classifier that is often wrong itself would suspect correct labels: below a skill of one half nothing is
named.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.metrics.clusters import each_left_out
from cytopipe.metrics.intervals import Measured, measured, too_few

LEAST_SKILL = 0.5  # of the lower limit of the chance-corrected balanced accuracy
_DIGITS = 6  # of probabilities, so that a last bit of a processor decides nothing


@dataclass(frozen=True)
class LabelErrors:
    """What out-of-fold predictions say of N labels.

    Attributes:
        positions: indices of the suspects, the least self-confident first; empty if they are withheld.
        suggested: N class indices, the most probable class.
        self_confidence: N probabilities of the given label.
        confidence: N probabilities of the suggested class.
        accuracy: balanced accuracy of the predictions against the given labels, with its interval over groups.
        skill: its lower limit, chance-corrected: 0 for guessing; None without an interval.
        withheld: why no suspect is named; empty if they are.
    """

    positions: np.ndarray
    suggested: np.ndarray
    self_confidence: np.ndarray
    confidence: np.ndarray
    accuracy: Measured
    skill: float | None
    withheld: str


def label_errors(labels: np.ndarray, probabilities: np.ndarray, groups: Sequence[str]) -> LabelErrors:
    """Find the labels that disagree with out-of-fold predictions.

    Args:
        labels: N class indices; each of the K classes has images.
        probabilities: N x K, each row by a classifier that saw no image of that row's group.
        groups: N groups.
    """
    count = probabilities.shape[1]
    rounded = probabilities.round(_DIGITS)
    rounded /= rounded.sum(axis=1, keepdims=True)
    suggested = rounded.argmax(axis=1)

    def balanced(chosen: np.ndarray) -> Mapping[str, float | None]:
        actual = np.bincount(labels[chosen], minlength=count)
        right = np.bincount(labels[chosen], suggested[chosen] == labels[chosen], count)
        return {"accuracy": float((right / actual).mean()) if actual.all() else None}

    accuracy = measured(each_left_out(balanced, groups)["accuracy"])
    skill = None if accuracy.low is None else (accuracy.low - 1 / count) / (1 - 1 / count)
    withheld = _why_not(accuracy, skill, len(set(groups)))
    return LabelErrors(
        positions=np.empty(0, int) if withheld else _pruned(labels, rounded),
        suggested=suggested,
        self_confidence=rounded[np.arange(len(labels)), labels],
        confidence=rounded.max(axis=1),
        accuracy=accuracy,
        skill=skill,
        withheld=withheld,
    )


def _pruned(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with few images, which it keeps as they are
        found = find_label_issues(
            labels, probabilities, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    positions: np.ndarray = np.asarray(found, int)
    return positions


def _why_not(accuracy: Measured, skill: float | None, groups: int) -> str:
    if why := too_few(groups):
        return why
    if skill is None:
        return f"how good the predictions are is not known: {accuracy.withheld or 'it is not defined'}"
    if skill < LEAST_SKILL:
        return (
            f"the predictions are too often wrong themselves (balanced accuracy {accuracy.value:.3f}, at least "
            f"{accuracy.low:.3f}): most of what they suspect would be right"
        )
    return ""
