"""The change of each metric between two runs that predicted the same images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cytopipe.gate.collapse import collapsed
from cytopipe.gate.measures import Measures
from cytopipe.gate.results import Change
from cytopipe.metrics.paired import paired_jackknife
from cytopipe.metrics.registry import find


def changes(now: Measures, before: Measures) -> dict[str, Change]:
    """The change of each metric that can be computed again from both runs.

    Args:
        now, before: measures of the same images, with the same groups and labels.

    Returns:
        The changes by metric, see `metrics.paired`; empty if the classes differ.
    """
    if now.classes != before.classes or not now.ids:
        return {}
    everything = np.arange(len(now.ids))
    common = sorted(now.measure(everything).keys() & before.measure(everything).keys())
    found = {}
    for key in common:
        difference = paired_jackknife(_only(now, key), _only(before, key), now.groups)
        if difference is not None:
            lost = _lost(key, now, before)
            found[key] = Change(difference.estimate, difference.low, difference.high, lost)
    return found


def _only(measures: Measures, key: str) -> Callable[[np.ndarray], float | None]:
    return lambda rows: measures.measure(rows)[key]


def _lost(key: str, now: Measures, before: Measures) -> str:
    """The group that lost most of a metric that is a mean over images, in words; empty if none collapsed."""
    metric = find(key)
    if metric is None or key not in now.single or key not in before.single:
        return ""
    sign = 1 if metric.direction == "higher" else -1
    groups = collapsed(sign * (now.single[key] - before.single[key]), now.groups, metric.collapse)
    more = f", and {len(groups) - 1} more" if len(groups) > 1 else ""
    return f"{groups[0]}{more}" if groups else ""
