"""The least number of groups whose 95 % interval is as narrow as wanted, by the intervals of this project.

The interval is the one that `metrics.intervals` will give: Student's t with G - 1 degrees of freedom on the logit, and
where every answer is right, the exact limit for as many independent images as the groups are worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.planning.pilot import Pilot
from cytopipe.metrics.clusters import LEAST_GROUPS, t_quantile
from cytopipe.metrics.intervals import CORRELATION, expit, none_of

MOST = 10_000_000  # groups
NONE = 1e-18  # variance that is rounding


@dataclass(frozen=True)
class Choice:
    """So many groups of so many images each."""

    images_per_group: float
    groups: int
    cautious: int


@dataclass(frozen=True)
class Plan:
    """The groups that a number needs.

    Attributes:
        metric: its name.
        pilot: what is known of it.
        width: the wanted width of the 95 % interval.
        groups: groups that count which give this width, if the pilot's variance is the true one.
        cautious: the same for the upper 80 % limit of the pilot's variance; equal to `groups` for given numbers.
        in_all: groups of any kind, of which `groups` count: those with abnormal images, for a sensitivity.
        choices: what it would be with other numbers of images of each group.
    """

    metric: str
    pilot: Pilot
    width: float
    groups: int
    cautious: int
    in_all: int
    choices: tuple[Choice, ...]


def width_of(pilot: Pilot, groups: int, factor: float = 1.0) -> float:
    """The width of the 95 % interval that so many groups can be expected to give.

    Args:
        pilot: what is known of the number.
        groups: groups that count, at least 5.
        factor: factor of the variance between groups.
    """
    value = pilot.value
    if value in (0, 1):
        correlated = 1 + (pilot.crowding - 1) * CORRELATION
        return none_of(groups * pilot.images / correlated)
    variance = pilot.of_group
    if variance <= NONE:  # all groups of the pilot alike: no less than of independent images, as the interval has it
        variance = value * (1 - value) / pilot.images
    error = math.sqrt(factor * variance / groups)
    reach = t_quantile(groups) * error / (value * (1 - value))
    centre = math.log(value / (1 - value))
    return expit(centre + reach) - expit(centre - reach)


def groups_for(pilot: Pilot, width: float, factor: float = 1.0) -> int:
    """The least number of groups, at least 5, whose interval is not wider than wanted.

    Raises:
        CytopipeError: ten million groups are not enough.
    """
    low, high = LEAST_GROUPS - 1, LEAST_GROUPS
    while width_of(pilot, high, factor) > width:
        low, high = high, 2 * high
        if high > MOST:
            raise CytopipeError(
                f"a width of {width:g} needs more than {MOST:,} groups",
                where="--width",
                hint="ask for a wider interval",
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width_of(pilot, middle, factor) <= width else (middle, high)
    return high


def plan(metric: str, pilot: Pilot, width: float, images: Sequence[int] = ()) -> Plan:
    """Plan one number.

    Args:
        metric: its name.
        pilot: what is known of it.
        width: the wanted width of the 95 % interval, between 0 and 1.
        images: other numbers of images of each group to compare; the first is the one that is planned for, if there is
            only one.

    Raises:
        CytopipeError: the width cannot be reached.
    """
    used = pilot.with_images(images[0]) if len(images) == 1 else pilot
    groups = groups_for(used, width)
    others = images if len(images) > 1 else _others(pilot.images)
    each = [(number, pilot.with_images(number)) for number in others]
    return Plan(
        metric,
        used,
        width,
        groups,
        groups_for(used, width, used.caution),
        math.ceil(groups / used.counting - 1e-9),
        tuple(Choice(number, groups_for(one, width), groups_for(one, width, one.caution)) for number, one in each),
    )


def _others(images: float) -> Sequence[int]:
    """Numbers of images to compare: one, a quarter, the same and four times as many as the pilot has."""
    return sorted({max(1, round(images * factor)) for factor in (0.0, 0.25, 1.0, 4.0)})
