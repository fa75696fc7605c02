"""What each image contributes to a number: its influence, whose sums over groups tell how the number varies.

A number is its value plus the mean of N influences, up to terms that vanish with more images (Hampel 1974). Its
variance follows from them as that of a mean does, with groups as units. For the area under the ROC curve they are the
placement values of DeLong (1988), summed over groups by Obuchowski (1997).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Influences:
    """A number, and what each of N images contributes to it.

    Attributes:
        value: the number, between 0 and 1.
        each: N influences, with a mean of 0.
        counted: N booleans: the images that the number is about, such as the abnormal ones of a sensitivity.
    """

    value: float
    each: np.ndarray
    counted: np.ndarray


def of_mean(values: np.ndarray, counted: np.ndarray | None = None) -> Influences | None:
    """A share or a mean over the images that count.

    Args:
        values: N numbers, such as 1 for a right answer.
        counted: N booleans; None: all images count.

    Returns:
        None if no image counts.
    """
    chosen = np.ones(len(values), bool) if counted is None else counted
    if not chosen.any():
        return None
    value = float(values[chosen].mean())
    return Influences(value, np.where(chosen, values - value, 0.0) / chosen.mean(), chosen)


def of_area(scores: np.ndarray, positive: np.ndarray) -> Influences | None:
    """The area under the ROC curve of N scores, higher for the positive images; None without both kinds."""
    if positive.all() or not positive.any():
        return None
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    placed = np.where(positive, _share_below(below, scores), 1 - _share_below(above, scores))
    value = float(placed[positive].mean())
    share = positive.mean()
    each = (placed - value) / np.where(positive, share, 1 - share)
    return Influences(value, each, np.ones(len(scores), bool))


def of_areas(truth: np.ndarray, probabilities: np.ndarray) -> Influences | None:
    """The mean area of each class against the rest: N class indices, N x classes probabilities."""
    found = [of_area(probabilities[:, label], truth == label) for label in range(probabilities.shape[1])]
    areas = [one for one in found if one is not None]
    if not areas or len(areas) < len(found):
        return None
    each = np.mean([one.each for one in areas], axis=0)
    return Influences(float(np.mean([one.value for one in areas])), each, areas[0].counted)


def _share_below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share of ordered numbers below each value; equal ones count half."""
    left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((left + right) / (2 * len(ordered)))
