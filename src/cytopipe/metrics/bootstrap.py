"""The bootstrap over groups, for numbers of the audit and the gate whose distribution has no simple form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.metrics.clusters import LEVEL

REPLICATES = 10_000  # with 1,000, a limit moves by up to .008 from seed to seed


def group_draws(groups: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> list[np.ndarray]:
    """Draw groups with replacement, each with all its images (cluster bootstrap).

    Returns:
        Image indices of each draw; no draws if there is only one group, as the variation between groups is unknown.
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return []
    members = [np.flatnonzero(inverse == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    return [
        np.concatenate([members[index] for index in rng.integers(len(names), size=len(names))])
        for _ in range(replicates)
    ]


def interval(values: Sequence[float]) -> dict[str, float] | None:
    """95 % percentile interval of bootstrap values (Efron and Tibshirani 1993); None for an empty sequence."""
    if not len(values):
        return None
    low, high = np.quantile(np.asarray(values, float), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}
