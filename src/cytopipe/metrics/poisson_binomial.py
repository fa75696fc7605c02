"""The chance that at least k of several independent images are abnormal: the tail of the Poisson binomial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EXACT = 64  # counts up to this one are exact, larger ones by the normal distribution
_LEAST = 1e-300  # chances below are as good as none


def padded(values: np.ndarray, number: np.ndarray, groups: int) -> np.ndarray:
    """The values of each group as a row, filled up with 0: groups x largest group.

    Args:
        values: N numbers.
        number: N indices of groups, 0 to groups - 1.
        groups: number of groups.
    """
    order = np.argsort(number, kind="stable")
    sizes = np.bincount(number, minlength=groups)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rows = np.zeros((groups, int(sizes.max(initial=0))))
    rows[number[order], np.arange(len(values)) - np.repeat(starts, sizes)] = values[order]
    return rows


def at_least(chances: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Log odds that at least k images of a group are abnormal, each independently with its own chance.

    Small tails and small complements are both sums of positive terms, so that neither loses digits. Counts above 64 use
    the normal distribution with the continuity correction (Hong 2013, doi:10.1016/j.csda.2012.10.006).

    Args:
        chances: G x n probabilities, see `padded`; 0 for no image.
        counts: K numbers of images, at least 1.

    Returns:
        G x K log odds, between -691 and 691.
    """
    found = np.empty((len(chances), len(counts)))
    exact = [place for place, count in enumerate(counts) if count <= EXACT]
    if exact:
        tails, rests = _exact(chances, max(counts[place] for place in exact))
        for place in exact:
            found[:, place] = _log_odds(tails[:, counts[place]], rests[:, counts[place]])
    wide = [place for place in range(len(counts)) if place not in exact]
    if wide:
        found[:, wide] = _normal(chances, np.array([counts[place] for place in wide]))
    return found


def _exact(chances: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Chances of at least k and of fewer than k, both G x (most + 1)."""
    groups, images = chances.shape
    mass = np.zeros((groups, most + 1))  # of exactly k
    mass[:, 0] = 1
    tails = np.zeros((groups, most + 1))
    for image in range(images):
        chance = chances[:, image, None]
        arriving = mass[:, :-1] * chance
        tails[:, 1:] += arriving
        mass *= 1 - chance
        mass[:, 1:] += arriving
    rests = np.concatenate([np.zeros((groups, 1)), np.cumsum(mass, axis=1)[:, :-1]], axis=1)
    return tails, rests


def _normal(chances: np.ndarray, counts: np.ndarray) -> np.ndarray:
    from scipy.special import log_ndtr

    mean = chances.sum(axis=1, keepdims=True)
    spread = np.sqrt(np.maximum((chances * (1 - chances)).sum(axis=1, keepdims=True), 1e-12))
    distance = np.clip((mean - counts + 0.5) / spread, -37, 37)
    odds: np.ndarray = log_ndtr(distance) - log_ndtr(-distance)
    return odds


def _log_odds(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(np.maximum(part, _LEAST)) - np.log(np.maximum(rest, _LEAST))
    return odds
