"""A part of the images against the rest: the difference of any metric, with an interval and a test that know of groups.

The groups that the part touches and those that it does not are two strata, each of which varies by itself: the variance
of a difference is the sum of their jackknife variances, and the degrees of freedom are those of Satterthwaite (1946). A
part of five groups is thus judged by its own few groups, however many the rest has.

A small part may vary less than it would in another sample, down to not at all where every answer is right. Where the
part and the rest share no group, the variance of either is therefore at least that of all images, scaled to its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.metrics.clusters import LEVEL, MOST_PARTS, LeftOut, positions
from cytopipe.metrics.intervals import too_few

Measure = Callable[[np.ndarray], Mapping[str, float | None]]
_SMALLEST = 1e-9  # a standard error that is rounding


@dataclass(frozen=True)
class Contrast:
    """A metric of a part of the images minus that of the rest.

    Attributes:
        estimate: the difference; None if the metric is not defined on both sides.
        low, high: its 95 % limits; None where they are withheld.
        p: two-sided p-value of no difference; None where it is withheld.
        withheld: the reason why there are no limits and no p-value.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    withheld: str = ""


@dataclass(frozen=True)
class Contrasted:
    """What one part of the images has, and its differences to the rest, by metric."""

    part: dict[str, LeftOut]
    differences: dict[str, Contrast]


def contrast(measure: Measure, inside: np.ndarray, groups: Sequence[str], whole: Mapping[str, LeftOut]) -> Contrasted:
    """Measure a part of the images, and compare it with the rest.

    Args:
        measure: computes metrics of a selection of images, given as indices; None where one is not defined.
        inside: N booleans, True for the images of the part, of which there is at least one.
        groups: N groups.
        whole: the metrics over all images without each group, as `clusters.each_left_out`.
    """
    number = positions(groups)
    touched = np.bincount(number, inside) > 0
    others = np.bincount(number, ~inside) > 0
    shared = bool((touched & others).any())
    counts = int(touched.sum()), int(others.sum())
    parts = _parts(touched)[number]
    within, beyond = np.flatnonzero(inside), np.flatnonzero(~inside)

    def of(rows: np.ndarray) -> Mapping[str, float | None]:
        return measure(rows) if len(rows) else dict.fromkeys(whole)

    ours, theirs = of(within), of(beyond)
    strata = [np.unique(parts[touched[number]]), np.unique(parts[~touched[number]])]
    ours_left = [of(within[parts[within] != one]) for one in strata[0]]
    # A group that lies in one of the two only leaves the other as it is.
    theirs_left = [of(beyond[parts[beyond] != one]) if shared else theirs for one in strata[0]]
    rest_left = [of(beyond[parts[beyond] != one]) for one in strata[1]]
    sizes = np.array([int((parts[within] == one).sum()) for one in strata[0]])
    part, differences = {}, {}
    for key, left in whole.items():
        part[key] = LeftOut(ours[key], tuple(one[key] for one in ours_left), sizes)
        first = [_minus(one[key], other[key]) for one, other in zip(ours_left, theirs_left, strict=True)]
        second = [_minus(ours[key], one[key]) for one in rest_left]
        floors = (0.0, 0.0) if shared else _floors(left, len(within), len(beyond))
        why = too_few(min(counts)) if len(beyond) else "every image is of this part"
        differences[key] = _contrast(_minus(ours[key], theirs[key]), (first, second), floors, why)
    return Contrasted(part, differences)


def _parts(touched: np.ndarray) -> np.ndarray:
    """The part in which each group is left out: at most 200 parts of the groups that are touched, and of the others."""
    parts = np.zeros(len(touched), dtype=int)
    for place, stratum in enumerate((touched, ~touched)):
        count = int(stratum.sum())
        own = np.arange(count) if count <= MOST_PARTS else np.random.default_rng(0).permutation(count) % MOST_PARTS
        parts[stratum] = own + place * MOST_PARTS
    return parts


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _floors(left: LeftOut, part: int, rest: int) -> tuple[float, float]:
    """The variance of the metric over all images, scaled to the images of the part and of the rest."""
    if len(left.known) < 2 or not rest:
        return 0.0, 0.0
    variance = _variance(left.known) * (part + rest)
    return variance / part, variance / rest


def _variance(values: np.ndarray) -> float:
    count = len(values)
    return float((count - 1) / count * ((values - values.mean()) ** 2).sum()) if count > 1 else 0.0


def _contrast(
    estimate: float | None,
    without: tuple[Sequence[float | None], Sequence[float | None]],
    floors: tuple[float, float],
    why: str,
) -> Contrast:
    if estimate is None:
        return Contrast(None, withheld=why or "it is not defined for both")
    if why:
        return Contrast(estimate, withheld=why)
    if any(value is None for stratum in without for value in stratum):
        return Contrast(estimate, withheld="it is not defined without one of the groups")
    strata = [np.array(stratum, float) for stratum in without]
    variances = [max(_variance(values), floor) for values, floor in zip(strata, floors, strict=True)]
    total = sum(variances)
    if total < _SMALLEST**2:
        return Contrast(estimate, withheld="the groups do not differ")
    shares = [
        variance**2 / (len(values) - 1) for variance, values in zip(variances, strata, strict=True) if len(values) > 1
    ]
    freedom, error = total**2 / sum(shares), total**0.5
    from scipy.stats import t as student

    p = float(2 * student.sf(abs(estimate) / error, freedom))
    reach = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    return Contrast(estimate, estimate - reach, estimate + reach, p)
