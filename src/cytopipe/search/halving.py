"""Successive halving, trial after trial (ASHA: Li et al. 2020, "Massively Parallel Hyperparameter Tuning").

The decision is a function of what trials have reported and of nothing else, so that a trial that is taken up after a
kill is judged as it would have been.
"""

from __future__ import annotations

from collections.abc import Iterable


def goes_on(value: float, others: Iterable[float], factor: int) -> bool:
    """Whether a trial is in the best `1 / factor` of those that came as far; among the first ones, the best.

    Args:
        value: what it reports at this epoch; larger is better.
        others: what the others reported at the same epoch.
        factor: one in so many goes on.
    """
    ranked = sorted([*others, value], reverse=True)
    return value >= ranked[max(len(ranked) // factor, 1) - 1]
