"""From the images of a group (a patient, slide or specimen) to one score, and the group's label: pure functions.

Every score is the log odds of a probability, so that scores near 0 and 1 keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.core.params.patients import GroupLabel, SimpleRule
from cytopipe.metrics.poisson_binomial import at_least, padded

EDGE = 1e-6  # probabilities of images are clipped to it, as their tables have six digits
UNKNOWN = -1  # label of a group that has none


@dataclass(frozen=True)
class Groups:
    """Which images belong together.

    Attributes:
        names: names of the G groups, sorted.
        number: N indices, the group of each image.
    """

    names: tuple[str, ...]
    number: np.ndarray

    @classmethod
    def of(cls, groups: Sequence[str]) -> Groups:
        """The groups of N images, given their names."""
        names, number = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        return cls(tuple(names.tolist()), number)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> np.ndarray:
        """Number of images of each group, G."""
        return np.bincount(self.number, minlength=len(self))

    def only(self, kept: np.ndarray) -> tuple[Groups, np.ndarray]:
        """Some of the groups (G booleans), and which images are theirs (N booleans)."""
        images = kept[self.number]
        names = tuple(name for name, one in zip(self.names, kept, strict=True) if one)
        return Groups(names, (np.cumsum(kept) - 1)[self.number[images]]), images


def group_labels(abnormal: np.ndarray, groups: Groups, how: GroupLabel) -> np.ndarray:
    """Whether each group is abnormal.

    Args:
        abnormal: N booleans, the truth of the images.
        groups: their groups.
        how: for a group with both kinds of images: worst: abnormal; majority: abnormal if at least half of them are;
            none: no label.

    Returns:
        G integers: 1 abnormal, 0 normal, -1 without a label.
    """
    share: np.ndarray = np.bincount(groups.number, abnormal, minlength=len(groups)) / groups.sizes
    if how == "worst":
        return (share > 0).astype(int)
    if how == "majority":
        return (share >= 0.5).astype(int)
    return np.where(share == 0, 0, np.where(share == 1, 1, UNKNOWN))


def pooled(
    rule: SimpleRule,
    scores: np.ndarray,
    groups: Groups,
    quantile: float = 0.9,
    count: int = 1,
    shift: float = 0.0,
) -> np.ndarray:
    """The log odds of each group by a rule without weights of its own.

    Args:
        rule: mean, max or quantile of the probabilities; noisy_or: that at least one image is abnormal, if they are
            independent; count: that at least `count` are (Poisson binomial).
        scores: N probabilities of abnormal images, calibrated.
        groups: their groups.
        quantile: for `quantile`, from 0 to 1.
        count: for `count`, at least 1.
        shift: for `count`: added to the log odds of every image, because abnormal cells are rarer in a patient than
            among the images of a training (Saerens 2002, doi:10.1162/089976602753284446).
    """
    chances = np.clip(np.asarray(scores, float), EDGE, 1 - EDGE)
    number, total = groups.number, len(groups)
    if rule == "mean":
        return log_odds(np.bincount(number, chances, minlength=total) / groups.sizes)
    if rule == "max":
        highest = np.zeros(total)
        np.maximum.at(highest, number, chances)
        return log_odds(highest)
    if rule == "quantile":
        return log_odds(_quantiles(chances, groups, quantile))
    if rule == "noisy_or":
        surprise = np.bincount(number, -np.log1p(-chances), minlength=total)
        return np.asarray(surprise + np.log(-np.expm1(-surprise)))
    return counted(chances, groups, [count], shift)[:, 0]


def counted(chances: np.ndarray, groups: Groups, counts: Sequence[int], shift: float = 0.0) -> np.ndarray:
    """Log odds that at least k images are abnormal, G x counts; see `pooled`."""
    shifted = expit(log_odds(np.clip(chances, EDGE, 1 - EDGE)) + shift)
    return at_least(padded(shifted, groups.number, len(groups)), counts)


def _quantiles(values: np.ndarray, groups: Groups, share: float) -> np.ndarray:
    """The quantile of each group, linear between its sorted values."""
    order = np.lexsort((values, groups.number))
    ordered, sizes = values[order], groups.sizes
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = share * (sizes - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, sizes - 1)
    part = place - low
    found: np.ndarray = ordered[starts + low] * (1 - part) + ordered[starts + high] * part
    return found


def attended(energies: np.ndarray, values: np.ndarray, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Attention pooling: the mean of the images' values, weighted by the softmax of their energies over the group.

    Args:
        energies: N numbers, the logarithm of the attention but for a constant.
        values: N log odds, what each image says.
        groups: their groups.

    Returns:
        G log odds, and N weights, which sum to 1 in each group.
    """
    highest = np.full(len(groups), -np.inf)
    np.maximum.at(highest, groups.number, energies)
    powers = np.exp(energies - highest[groups.number])
    weights = powers / np.bincount(groups.number, powers, minlength=len(groups))[groups.number]
    return np.bincount(groups.number, weights * values, minlength=len(groups)), weights


def most_telling(evidence: np.ndarray, groups: Groups, most: int) -> list[list[int]]:
    """Indices of the images of each group with the strongest evidence of being abnormal, strongest first."""
    order = np.lexsort((np.arange(len(evidence)), -evidence, groups.number))
    ends = np.cumsum(groups.sizes)
    return [order[end - size : end][:most].tolist() for end, size in zip(ends, groups.sizes, strict=True)]


def log_odds(chances: np.ndarray) -> np.ndarray:
    """Log odds of probabilities strictly between 0 and 1."""
    return np.asarray(np.log(chances) - np.log1p(-chances))


def expit(odds: np.ndarray) -> np.ndarray:
    """Probabilities of log odds; the arithmetic of scipy.special.expit, whose import takes longer than a prediction."""
    small = np.exp(-np.abs(odds))
    return np.asarray(np.where(odds >= 0, 1, small) / (1 + small))
