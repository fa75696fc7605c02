"""Paired comparison of classifiers on one test set, corrected for the number of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
from scipy.stats import binomtest


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


def paired_bootstrap(difference: np.ndarray, draws: Sequence[np.ndarray]) -> float | None:
    """Two-sided bootstrap p-value of a mean difference; None without draws.

    Args:
        difference: N numbers, first minus second for each image.
        draws: image indices of each draw, see `group_draws`.
    """
    if not draws:
        return None
    means = np.array([difference[rows].mean() for rows in draws])
    # Counting one extra draw on the side of no difference keeps p above 0.
    tail = min((means <= 0).sum(), (means >= 0).sum()) + 1
    return float(min(1.0, 2 * tail / (len(means) + 1)))


def holm(values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Correct p-values for multiple comparisons, controlling the family-wise error rate (Holm 1979)."""
    corrected, largest = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, (len(values) - rank) * p))
        corrected[pair] = largest
    return {pair: corrected[pair] for pair in values}


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
