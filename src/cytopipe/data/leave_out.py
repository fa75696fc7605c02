"""Splits that test on one site, scanner or the like, whose images the model has never seen."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from cytopipe.adapters.alike import nearest
from cytopipe.adapters.base import Sample
from cytopipe.core.params import LeaveOut, Split
from cytopipe.core.params.attributes import GROUP, UNKNOWN, in_order
from cytopipe.data.attributes import is_binned
from cytopipe.data.splits import check_splits, divide
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")


def sites_of(samples: Sequence[Sample], chosen: LeaveOut, key: str) -> list[str]:
    """The value of the attribute by which images are divided, for each of them.

    Raises:
        CytopipeError: the attribute is not in options.attributes, an image has no value of it, it has numbers without
            bins, or the images of one group have several values.
    """
    where = f"{key}.split.leave_out"
    if chosen.attribute == GROUP:
        return [sample.group for sample in samples]
    known = list(samples[0].attributes)
    if chosen.attribute not in known:
        near = nearest(chosen.attribute, [*known, GROUP], 1)
        raise CytopipeError(
            f"'{chosen.attribute}' is no attribute" + (f"; did you mean '{near[0]}'?" if near else ""),
            where=where,
            hint=f"options.attributes names {', '.join(known) or 'none'}; group is possible too",
        )
    sites = [sample.attributes[chosen.attribute] for sample in samples]
    lacking = [sample.id for sample, site in zip(samples, sites, strict=True) if site == UNKNOWN]
    if lacking:
        raise CytopipeError(
            f"{len(lacking)} images have no {chosen.attribute}, first {lacking[0]}: it may be that which is left out",
            where=where,
            hint="fill in the column, or take these images out of the source",
        )
    if is_binned(sites):
        raise CytopipeError(
            f"'{chosen.attribute}' holds numbers", where=where, hint=f"give options.attribute_bins.{chosen.attribute}"
        )
    at: dict[str, set[str]] = defaultdict(set)
    for sample, site in zip(samples, sites, strict=True):
        at[sample.group].add(site)
    several = {group: in_order(found) for group, found in sorted(at.items()) if len(found) > 1}
    if several:
        group, found = next(iter(several.items()))
        raise CytopipeError(
            f"{len(several)} groups have images of several values of {chosen.attribute}, first '{group}' of "
            f"{', '.join(found)}: it would be in training and in test",
            where=where,
            hint="correct the table, leave out what tells groups apart, or use kind: grouped",
        )
    return sites


def leave_out(
    labels: Sequence[str], units: Sequence[str], sites: Sequence[str], split: Split, where: str
) -> tuple[list[str], dict[str, Any]]:
    """The split of every image: test images are all those of the sites that are left out, and no others.

    Args:
        labels: class of each image.
        units: unit of each image that stays together: its group, joined with the groups of identical images.
        sites: of each image, as `sites_of`.
        split: with `leave_out`; without values the test site is the smallest one that has every class.
        where: key of params.yaml, for errors.

    Returns:
        "train", "val" or "test" for each image, and what summary.json says of it.

    Raises:
        CytopipeError: there is one site only, no such site, a class is missing in a split, or identical images are of
            two sites.
    """
    assert split.leave_out is not None
    name, values = split.leave_out.attribute, in_order(sites)
    if len(values) < 2:
        raise CytopipeError(
            f"all images are of one {name}, '{values[0]}': none can be left out", where=where, hint="use kind: grouped"
        )
    _refuse_copies(units, sites, name, where)
    tested = _tested(labels, sites, split.leave_out, f"{where}.leave_out")
    rest = [place for place, site in enumerate(sites) if site not in tested]
    if not rest:
        raise CytopipeError(f"every {name} is left out: none remains to train on", where=f"{where}.leave_out.values")
    fractions = (1 - split.val, split.val)
    chosen = divide([labels[at] for at in rest], [units[at] for at in rest], fractions, split.seed, where)
    result = ["test"] * len(labels)
    for place, part in zip(rest, chosen, strict=True):
        result[place] = ("train", "val")[part]
    logger.info("%s: test images are those of %s %s", where, name, ", ".join(tested))
    hint = f"leave out a {name} that has every class and leaves enough of each, or several (leave_out.values)"
    check_splits(labels, units, result, where, hint)
    return result, {"attribute": name, "values": tuple(values), "tested": tested}


def _tested(labels: Sequence[str], sites: Sequence[str], chosen: LeaveOut, where: str) -> tuple[str, ...]:
    values = in_order(sites)
    if unknown := [value for value in chosen.values if value not in values]:
        near = nearest(unknown[0], values, 1)
        raise CytopipeError(
            f"no image has the {chosen.attribute} '{unknown[0]}'" + (f"; did you mean '{near[0]}'?" if near else ""),
            where=f"{where}.values",
            hint=f"there are {', '.join(values[:12])}" + (", ..." if len(values) > 12 else ""),
        )
    if chosen.values:
        return tuple(value for value in values if value in chosen.values)
    classes, images = set(labels), Counter(sites)
    held: dict[str, set[str]] = defaultdict(set)
    for label, site in zip(labels, sites, strict=True):
        held[site].add(label)
    whole = [value for value in values if held[value] == classes]
    if not whole:
        raise CytopipeError(
            f"no {chosen.attribute} has images of every class ({', '.join(sorted(classes))})",
            where=where,
            hint="name several in leave_out.values which have every class together",
        )
    return (min(whole, key=lambda value: (images[value], value)),)


def _refuse_copies(units: Sequence[str], sites: Sequence[str], name: str, where: str) -> None:
    first: dict[str, str] = {}
    for unit, site in zip(units, sites, strict=True):
        if first.setdefault(unit, site) != site:
            raise CytopipeError(
                f"identical images are of {name} '{first[unit]}' and '{site}' (the group '{unit}')",
                where=where,
                hint="remove the copies: they would be in training and in test",
            )
