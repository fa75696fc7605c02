"""Paired comparison of classifiers on one test set, corrected for the number of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
from scipy.stats import binomtest

ALPHA = 0.05  # family-wise error rate of the comparisons of one ranking


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Exact McNemar test on the images that only one of two classifiers classified correctly (McNemar 1947).

    Args:
        first, second: N numbers, 1 where the classifier was right and 0 where it was wrong, on the same images.

    Returns:
        The two-sided p-value; 1 if no image was classified correctly by only one of them.
    """
    only_first = int(((first == 1) & (second == 0)).sum())
    only_second = int(((first == 0) & (second == 1)).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def holm(values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Correct p-values for multiple comparisons, controlling the family-wise error rate (Holm 1979)."""
    corrected, largest = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, (len(values) - rank) * p))
        corrected[pair] = largest
    return {pair: corrected[pair] for pair in values}


def holm_levels(values: Mapping[tuple[str, str], float], alpha: float = ALPHA) -> dict[tuple[str, str], float]:
    """The level of each pair's interval that excludes 0 exactly where Holm's procedure rejects.

    Holm compares the k-th smallest of m p-values with alpha / (m - k + 1) and stops at the first that is larger. An
    interval of t at 1 - alpha / (m - k + 1), and for the pairs after the stop at that of the stop, says the same.
    """
    levels, stopped = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        share = stopped or alpha / (len(values) - rank)
        levels[pair] = 1 - share
        if p >= share:
            stopped = share
    return {pair: levels[pair] for pair in values}


def indistinguishable_groups(ranked: Sequence[str], resolved: set[frozenset[str]]) -> list[list[str]]:
    """Find the maximal runs of a ranking within which no pair is resolved; a name may be in several runs.

    Args:
        ranked: names, best first.
        resolved: pairs of names whose difference is significant.
    """
    runs: list[list[str]] = []
    for start in range(len(ranked)):
        end = start
        while end + 1 < len(ranked) and not any(
            frozenset((ranked[end + 1], name)) in resolved for name in ranked[start : end + 1]
        ):
            end += 1
        run = list(ranked[start : end + 1])
        if not runs or not set(run) <= set(runs[-1]):
            runs.append(run)
    return runs


def compact_letter_display(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """Give the names of each group a letter; names that share a letter are not told apart (Piepho 2004).

    Args:
        groups: names that are not told apart, best first, see `indistinguishable_groups`.

    Returns:
        The letters of each name: a to z, then a2, b2 and so on.
    """
    letters: dict[str, str] = {}
    for index, names in enumerate(groups):
        turn, place = divmod(index, len(ascii_lowercase))
        letter = ascii_lowercase[place] + (str(turn + 1) if turn else "")
        for name in names:
            letters[name] = letters.get(name, "") + letter
    return letters
