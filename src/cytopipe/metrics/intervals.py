"""95 % intervals of numbers whose images come in groups, and the reason where none is claimed.

The interval is Student's t on the scale on which the number is nearly normal, from its values without each group in
turn (`clusters`). On the logit scale it covers what it promises from 5 groups on (docs/evaluation.md), where the
percentile bootstrap over groups covers .75 to .90 with 10.

A share of exactly 0 or 1 shows no variation. Its limit is then the exact one of Clopper and Pearson (1934) for as many
independent images as the groups are worth with an intraclass correlation of .1 (the effective sample size of Kish 1965;
Korn and Graubard 1998 use it in the same place).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cytopipe.metrics.clusters import LEAST_GROUPS, LEVEL, LeftOut, jackknife_error, t_quantile

Scale = Literal["share", "signed", "positive", "real"]
METHODS: dict[Scale, str] = {
    "share": "group jackknife on the logit, t with G - 1 degrees of freedom",
    "signed": "group jackknife on Fisher's z, t with G - 1 degrees of freedom",
    "positive": "group jackknife on the logarithm, t with G - 1 degrees of freedom",
    "real": "group jackknife, t with G - 1 degrees of freedom",
}
CORRELATION = 0.1  # within groups, assumed where there is no variation to estimate it from
_SAME = 1e-9  # relative difference that is rounding


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % limits, or the reason why it has none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    withheld: str = ""


def measured(left: LeftOut, scale: Scale = "share") -> Measured:
    """The 95 % interval of a number on its scale.

    Args:
        left: the number, and its values without each group.
        scale: "share" from 0 to 1, "signed" from -1 to 1 (kappa), "positive" from 0 on (a distance), or "real".

    Returns:
        The number with its limits, which lie on the scale; without them under 5 groups, where the number is not defined
        without one of the groups, and where no variation is seen.
    """
    if left.value is None:
        return Measured(None)
    if why := why_withheld(left, scale):
        return Measured(left.value, withheld=why)
    low, high = limits(left, scale)
    return Measured(left.value, low, high)


def too_few(groups: int) -> str:
    """The reason why so many groups give no interval, as text; empty if they are enough."""
    if groups >= LEAST_GROUPS:
        return ""
    count = "one group counts" if groups == 1 else f"{groups} groups count"
    return f"{count}: under {LEAST_GROUPS}, no interval is claimed"


def why_withheld(left: LeftOut, scale: Scale) -> str:
    """The reason why a number that is defined has no interval on this scale; empty if it has one."""
    value = left.value
    assert value is not None
    if why := too_few(len(left.sizes)):
        return why
    if None in left.without:
        return "it is not defined without one of the groups"
    if not _LOWEST[scale] <= value <= _HIGHEST[scale]:
        return "it is outside its scale"
    if scale == "share" or not _constant(left):
        return "" if scale != "signed" or abs(value) < 1 else "it is at the end of its scale"
    return "the groups do not differ"


_LOWEST: dict[Scale, float] = {"share": 0.0, "signed": -1.0, "positive": 0.0, "real": -np.inf}
_HIGHEST: dict[Scale, float] = {"share": 1.0, "signed": 1.0, "positive": np.inf, "real": np.inf}


def _constant(left: LeftOut) -> bool:
    value = left.value or 0.0
    return bool(np.abs(left.known - value).max() <= _SAME * max(abs(value), _SAME))


def limits(left: LeftOut, scale: Scale, quantile: float | None = None) -> tuple[float, float]:
    """The 95 % limits of a number for which `why_withheld` is empty.

    Args:
        left: the number, and its values without each group.
        scale: see `measured`.
        quantile: standard errors to each side on the scale; None: that of Student's t with G - 1 degrees of freedom.
    """
    value = left.value
    assert value is not None
    errors = quantile or t_quantile(len(left.known))
    if scale == "share":
        return _of_share(value, left.known, left.sizes, errors)
    if scale == "signed":
        low, high = _of_share((value + 1) / 2, (left.known + 1) / 2, left.sizes, errors)
        return 2 * low - 1, 2 * high - 1
    reach = errors * jackknife_error(left.known)
    if scale == "positive":
        factor = float(np.exp(reach / value))
        return value / factor, value * factor
    return value - reach, value + reach


def _of_share(value: float, without: np.ndarray, sizes: np.ndarray, errors: float) -> tuple[float, float]:
    """The logit interval; values without a group that are exactly 0 or 1 count as half an image away from it."""
    images = float(sizes.sum())
    if value in (0, 1):
        reach = none_of(effective_size(sizes))
        return (0.0, reach) if value == 0 else (1 - reach, 1.0)
    if np.abs(without - value).max() <= _SAME:  # all groups alike: no worse than independent images
        error = 1 / np.sqrt(images * value * (1 - value))
    else:
        edge = min(0.5 / images, value, 1 - value)
        error = jackknife_error(_logit(np.clip(without, edge, 1 - edge)))
    reach = errors * float(error)
    centre = float(_logit(np.array(value)))
    return expit(centre - reach), expit(centre + reach)


def effective_size(sizes: np.ndarray) -> float:
    """The number of independent images that groups of these sizes are worth at an intraclass correlation of .1."""
    images = float(sizes.sum())
    return images / (1 + (float((sizes**2).sum()) / images - 1) * CORRELATION) if images else 0.0


def none_of(images: float) -> float:
    """The upper 95 % limit of a share of which none was seen in so many independent images.

    >>> round(none_of(100), 4)
    0.0362
    """
    return float(1 - ((1 - LEVEL) / 2) ** (1 / max(images, 1)))


def _logit(share: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(share / (1 - share)))


def expit(value: float) -> float:
    """The share whose logit is `value`."""
    return float(1 / (1 + np.exp(-value)))
