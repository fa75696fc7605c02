"""Which differences between classifiers can this test set resolve? Paired tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Exact McNemar test on the images that only one of two classifiers got right (McNemar 1947).

    Args:
        first, second: N, 1 where the classifier was right, 0 where it was wrong, on the same images.

    Returns:
        The two-sided p; 1 where they agree on every image.
    """
    only_first = int(((first == 1) & (second == 0)).sum())
    only_second = int(((first == 0) & (second == 1)).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def paired_bootstrap(difference: np.ndarray, draws: Sequence[np.ndarray]) -> float | None:
    """Two-sided p of a mean difference, by bootstrap draws of the images; None without draws.

    Args:
        difference: N, first minus second, one an image.
        draws: image indices of each draw, as `group_draws` makes them.
    """
    if not draws:
        return None
    means = np.array([difference[rows].mean() for rows in draws])
    # One more draw than was made, on the side of no difference: p is never 0.
    tail = min((means <= 0).sum(), (means >= 0).sum()) + 1
    return float(min(1.0, 2 * tail / (len(means) + 1)))


def holm(values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """p values corrected for their number (Holm 1979): the chance of one false alarm or more stays below the level."""
    corrected, largest = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, (len(values) - rank) * p))
        corrected[pair] = largest
    return {pair: corrected[pair] for pair in values}


def groups_of_equals(ranked: Sequence[str], resolved: set[frozenset[str]]) -> list[list[str]]:
    """Runs of a ranking within which no pair is resolved, each as long as it can be; a name may stand in several.

    Args:
        ranked: names, best first.
        resolved: pairs whose difference the test set resolves.
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
