"""What a pilot says of a number: how images vary, how alike those of a group are, and how many images a group has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.planning.influence import Influences
from cytopipe.metrics.clusters import LEAST_GROUPS, positions

ASSURANCE = 0.8  # of the cautious plan: the share of pilots whose upper limit of the variance is above the truth


@dataclass(frozen=True)
class Pilot:
    """A number to plan for.

    Attributes:
        value: the number, between 0 and 1.
        variance: of the influence of one image.
        alike: intraclass correlation of the influences within a group, 0 to 1.
        images: mean number of images of a group that count.
        crowding: the number of images of a group that an image is in on average, which is more than their mean where
            groups differ in size.
        groups: groups that count in the pilot; 0 for numbers that were given.
        counting: share of all groups that have images that count, such as abnormal ones.
        observed: variance of the number times the groups, as seen between groups; None for numbers that were given.
    """

    value: float
    variance: float
    alike: float
    images: float
    crowding: float
    groups: int = 0
    counting: float = 1.0
    observed: float | None = None

    @property
    def design_effect(self) -> float:
        """How many times as many images are needed as if all were independent (Kish 1965)."""
        return 1 + (self.crowding - 1) * self.alike

    @property
    def of_group(self) -> float:
        """Variance of the number for one group: divided by G, its variance with G groups."""
        if self.observed is not None:
            return self.observed
        return self.variance * self.design_effect / self.images

    @property
    def caution(self) -> float:
        """The factor from the variance of the pilot to its upper 80 % limit (Browne 1995, 10.1002/sim.4780141709)."""
        if not self.groups:
            return 1.0
        from scipy.stats import chi2

        return float((self.groups - 1) / chi2.ppf(1 - ASSURANCE, self.groups - 1))

    def with_images(self, images: int) -> Pilot:
        """The same with so many images of each group; the correlation within groups stays."""
        return replace(self, images=images, crowding=images, observed=None)


def pilot_of(found: Influences, groups: Sequence[str], where: str) -> Pilot:
    """Measure the variance between the groups of a pilot.

    Args:
        found: the number and its N influences.
        groups: N groups.
        where: the number in words, for messages.

    Raises:
        CytopipeError: under 5 groups count: the variance between them is not known well enough.
    """
    number = positions([group for group, one in zip(groups, found.counted, strict=True) if one])
    each = found.each[found.counted]
    sizes = np.bincount(number).astype(float)
    count = len(sizes)
    if count < LEAST_GROUPS:
        raise CytopipeError(
            f"the pilot has {count} groups that count, and the variance between groups needs {LEAST_GROUPS}",
            where=where,
            hint="test more patients first, or give the numbers: --value, --icc and --images-per-group",
        )
    # Influences are relative to all images; here the mean is over those that count.
    each = each * found.counted.mean()
    sums = np.bincount(number, each)
    images = float(sizes.sum())
    observed = count * float((sums**2).sum()) / images**2 * count / (count - 1)
    return Pilot(
        value=found.value,
        variance=float((each**2).mean()),
        alike=_alike(each, sums, sizes),
        images=images / count,
        crowding=float((sizes**2).sum() / images),
        groups=count,
        counting=count / len(set(groups)),
        observed=observed,
    )


def given(
    metric: str,
    value: float,
    alike: float,
    images: int,
    *,
    deviation: float | None = None,
    prevalence: float = 0.5,
) -> Pilot:
    """A pilot made of numbers that somebody gives.

    Args:
        metric: `auc`, `dice` or a share of images, such as accuracy or sensitivity.
        value: the expected number.
        alike: intraclass correlation within groups.
        images: images of a group that count.
        deviation: standard deviation between images, for Dice.
        prevalence: share of abnormal images, for `auc`.

    Raises:
        CytopipeError: the number of Dice is given without a deviation.
    """
    if metric == "auc":
        variance = _of_area(value) * (1 / prevalence + 1 / (1 - prevalence))
    elif metric.startswith("dice"):
        if deviation is None:
            raise CytopipeError("Dice needs the standard deviation between images", where="--sd")
        variance = deviation**2
    else:
        variance = value * (1 - value)
    return Pilot(value, variance, alike, images, images)


def _of_area(value: float) -> float:
    """Variance of the placement values of either kind, for normal scores of equal variance (Obuchowski 1994)."""
    from scipy.special import owens_t
    from scipy.stats import norm

    both = value - 2 * float(owens_t(norm.ppf(value), 1 / math.sqrt(3)))  # two of a kind beyond one of the other
    return both - value**2


def _alike(each: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> float:
    """The intraclass correlation by analysis of variance; 0 where groups are less alike than chance would have it."""
    count, images = len(sizes), float(sizes.sum())
    if images <= count:
        return 0.0
    between = float((sums**2 / sizes).sum()) / (count - 1)
    within = (float((each**2).sum()) - float((sums**2 / sizes).sum())) / (images - count)
    typical = (images - float((sizes**2).sum()) / images) / (count - 1)
    total = between + (typical - 1) * within
    return 0.0 if total <= 0 or math.isclose(total, 0) else float(np.clip((between - within) / total, 0.0, 1.0))
