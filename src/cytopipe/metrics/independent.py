"""The difference of one number on two independent sets of images, such as the test at home and another laboratory.

Both sets come in groups, and nothing pairs them. Each number keeps the interval of its own scale, and the two intervals
are combined by the distances of their limits from the estimates (MOVER; Zou and Donner 2008, doi:10.1002/sim.3095): on
a share near 1 the difference then has the skewed interval that it needs, which adding variances would not give. The
quantile of both is that of Student's t with the degrees of freedom of Welch (1947) and Satterthwaite (1946) for G - 1
of each side.
"""

from __future__ import annotations

from cytopipe.metrics.clusters import LEVEL, LeftOut, jackknife_error
from cytopipe.metrics.intervals import Measured, Scale, limits, why_withheld


def independent_difference(first: LeftOut, second: LeftOut, scale: Scale | None, names: tuple[str, str]) -> Measured:
    """The first number minus the second, with its 95 % limits.

    Args:
        first, second: the number on either set of images, and its values without each group of it.
        scale: where the number lies, see `intervals.measured`; None: it has no interval, nor has the difference.
        names: how the reason names the two sets, such as "at home" and "there".

    Returns:
        The difference in the number's own unit; None where it is not defined on both. Without limits where one of the
        two has none, such as under 5 groups.
    """
    if first.value is None or second.value is None:
        return Measured(None)
    value = first.value - second.value
    if scale is None:
        return Measured(value, withheld="the number itself has no interval")
    for name, left in zip(names, (first, second), strict=True):
        if why := why_withheld(left, scale):
            return Measured(value, withheld=f"{name}, {why}")
    quantile = _quantile(first, second)
    (low, high), (other_low, other_high) = limits(first, scale, quantile), limits(second, scale, quantile)
    down = ((first.value - low) ** 2 + (other_high - second.value) ** 2) ** 0.5
    up = ((high - first.value) ** 2 + (second.value - other_low) ** 2) ** 0.5
    return Measured(value, value - down, value + up)


def _quantile(first: LeftOut, second: LeftOut) -> float:
    from scipy.stats import t as student

    return float(student.ppf((1 + LEVEL) / 2, welch_freedom(first, second)))


def welch_freedom(first: LeftOut, second: LeftOut) -> float:
    """Degrees of freedom of the difference: between the smaller G - 1, and the sum of both."""
    freedoms = [len(left.known) - 1 for left in (first, second)]
    variances = [jackknife_error(left.known) ** 2 for left in (first, second)]
    parts = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    return sum(variances) ** 2 / parts if parts > 0 else float(min(freedoms))
