"""Splits that keep whole groups on one side, and class proportions as far as the groups allow."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from cytopipe.core.params import DEVELOPMENT, SPLITS, Split
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
_SEED = "exclude the class (exclude_classes), use more images, or another seed or fraction"
_MOVE_ON = {  # what to do about a class that a split lacks
    "grouped": _SEED,
    "random": _SEED,
    "published": "exclude the class (exclude_classes), or use kind: grouped, which draws splits that have every class",
}


def assign_splits(
    labels: Sequence[str], units: Sequence[str], published: Sequence[str | None], split: Split, where: str
) -> list[str]:
    """The split of every image.

    Args:
        labels: class of each image.
        units: unit of each image that a split keeps together: its group, or with `random` the image itself; identical
            images share a unit.
        published: the publisher's split of each image, or DEVELOPMENT, or None.
        split: kind, fractions and seed.
        where: key of params.yaml, for errors.

    Returns:
        "train", "val" or "test" for each image.

    Raises:
        CytopipeError: fewer units than splits, a class that some split lacks, a publisher's split that is missing
            or, unless `split.torn_groups` is "report", tears a unit.
    """
    if split.kind == "published":
        result = _published(labels, units, published, split, where)
        if split.torn_groups == "report":
            _report_torn(units, result, where)
            units = [str(number) for number in range(len(units))]
    else:
        _check_reach(labels, units, SPLITS, split.kind, where)
        fractions = (1 - split.val - split.test, split.val, split.test)
        result = [SPLITS[part] for part in divide(labels, units, fractions, split.seed, where)]
    check_splits(labels, units, result, where, _MOVE_ON[split.kind])
    return result


def _check_reach(labels: Sequence[str], units: Sequence[str], sides: Sequence[str], kind: str, where: str) -> None:
    """Refuse a class of fewer groups than splits: no seed can put it into each of them."""
    if len(set(units)) < len(sides):
        return  # `divide` says so of the whole dataset
    of_class: dict[str, set[str]] = defaultdict(set)
    for label, unit in zip(labels, units, strict=True):
        of_class[label].add(unit)
    short = {label: sorted(found) for label, found in sorted(of_class.items()) if len(found) < len(sides)}
    if not short:
        return
    unit_word = "different image" if kind == "random" else "group"
    told = []
    for label, found in short.items():
        number = f"{len(found)} {unit_word}" + ("s" if len(found) > 1 else "")
        images = labels.count(label)
        subject = f"the {images} images of '{label}' are" if images > 1 else f"the one image of '{label}' is"
        told.append(f"{subject} of {number} ({', '.join(found)})")
    raise CytopipeError(
        f"{'; '.join(told)}; {len(sides)} {unit_word}s are needed, one for each of {', '.join(sides)}",
        where=where,
        hint="exclude the class (exclude_classes), join it with another class, or add images of other "
        f"{'cells' if kind == 'random' else 'groups (patients, slides)'}; no other seed or fraction can help",
    )


def divide(
    labels: Sequence[str], groups: Sequence[str], fractions: Sequence[float], seed: int, where: str
) -> list[int]:
    """Divide groups over parts so that every class is spread in the wanted fractions.

    Greedy: groups in falling order of size (ties shuffled by `seed`), each to the part that is furthest below its
    share of the classes which the group holds. Before that come parts that lack a class whose remaining groups are
    only just enough for all parts without it, and empty parts when the remaining groups are only just enough for these.

    Returns:
        The part, 0 to len(fractions) - 1, of each image.

    Raises:
        CytopipeError: when there are fewer groups than parts.
    """
    index = {label: number for number, label in enumerate(sorted(set(labels)))}
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(index)))
    for label, group in zip(labels, groups, strict=True):
        counts[group][index[label]] += 1
    if len(counts) < len(fractions):
        raise CytopipeError(
            f"{len(counts)} groups cannot be divided over {len(fractions)} splits",
            where=where,
            hint="check the group key, or use kind: random if images are independent",
        )
    order = sorted(counts)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda group: -counts[group].sum())
    total = sum(counts.values())
    left = sum((count > 0).astype(int) for count in counts.values())
    wanted = np.outer(fractions, total)
    held = np.zeros_like(wanted)
    part_of = {}
    for place, group in enumerate(order):
        holds = counts[group] > 0
        is_last_chance = left <= (held == 0).sum(axis=0)
        urgency = ((held == 0) & holds & is_last_chance).sum(axis=1)
        is_empty = (held == 0).all(axis=1)
        if len(order) - place <= is_empty.sum():
            urgency += is_empty * len(index)
        # Rare classes weigh as much as common ones: the deficit is measured in shares of each class.
        deficit = ((wanted - held) / wanted) @ (counts[group] / total)
        part = int(np.lexsort((-deficit, -urgency))[0])
        held[part] += counts[group]
        left -= holds
        part_of[group] = part
    return [part_of[group] for group in groups]


def _published(
    labels: Sequence[str], units: Sequence[str], published: Sequence[str | None], split: Split, where: str
) -> list[str]:
    missing = sum(value is None for value in published)
    if missing:
        raise CytopipeError(
            f"{missing} of {len(published)} images have no published split",
            where=where,
            hint="use kind: grouped, or name the column of the split",
        )
    result = [str(value) for value in published]
    development = [index for index, value in enumerate(result) if value == DEVELOPMENT]
    if development:
        chosen = [labels[index] for index in development], [units[index] for index in development]
        _check_reach(*chosen, ("train", "val"), split.kind, where)
        parts = divide(*chosen, (1 - split.val, split.val), split.seed, where)
        for index, part in zip(development, parts, strict=True):
            result[index] = SPLITS[part]
    absent = [side for side in SPLITS if side not in result]
    if absent:
        raise CytopipeError(
            f"the publisher's split has no {' and no '.join(absent)} images",
            where=where,
            hint="use kind: grouped, or an option of the adapter that says how its split is used: cytopipe datasets",
        )
    return result


def torn(units: Sequence[str], splits: Sequence[str]) -> dict[str, list[str]]:
    """Units that lie in several splits, sorted, with these splits."""
    sides = defaultdict(set)
    for unit, side in zip(units, splits, strict=True):
        sides[unit].add(side)
    return {unit: sorted(sides[unit]) for unit in sorted(sides) if len(sides[unit]) > 1}


def _report_torn(units: Sequence[str], splits: Sequence[str], where: str) -> None:
    if found := torn(units, splits):
        logger.warning(
            "%s: THE PUBLISHED SPLIT IS NOT INDEPENDENT: of %d groups (joined where they share identical images) "
            "%d lie in several splits, first '%s' in %s. Results on it are too good; summary.json counts what is torn, "
            "and kind: grouped is the honest split",
            *(where, len(set(units)), len(found), next(iter(found)), ", ".join(next(iter(found.values())))),
        )


def join_copies(groups: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """The unit of each image that a split keeps together: its group and every group that holds the same pixels.

    Args:
        groups: of each image.
        hashes: of each image's pixels.
    """
    joined: dict[str, str] = {}  # a group that was joined to another -> that other

    def unit(name: str) -> str:
        while name in joined:
            name = joined[name]
        return name

    first: dict[str, str] = {}
    for group, pixels in zip(groups, hashes, strict=True):
        one, other = unit(group), unit(first.setdefault(pixels, group))
        if one != other:
            joined[max(one, other)] = min(one, other)
    return [unit(group) for group in groups]


def beside_test(rows: Sequence[Row]) -> tuple[list[int], int]:
    """The images whose labels may be questioned: those of training and validation of which no group has test images.

    Args:
        rows: a manifest.

    Returns:
        Their positions, and the number of further images of training and validation, whose group has test images.
    """
    tested = {row.group for row in rows if row.split == "test"}
    seen = [index for index, row in enumerate(rows) if row.split != "test"]
    free = [index for index in seen if rows[index].group not in tested]
    return free, len(seen) - len(free)


def check_splits(
    labels: Sequence[str], units: Sequence[str], splits: Sequence[str], where: str, hint: str | None = None
) -> None:
    """Raise CytopipeError where a unit lies in several splits or a class is missing from one."""
    if found := torn(units, splits):
        first, sides = next(iter(found.items()))
        raise CytopipeError(
            f"{len(found)} groups or sets of identical images lie in several splits, first '{first}' in "
            f"{', '.join(sides)}",
            where=where,
            hint="use kind: grouped, or remove the copies, or set torn_groups: report to allow and count them",
        )
    counted = Counter(zip(labels, splits, strict=True))
    for side in SPLITS:
        for label in sorted(set(labels)):
            if not counted[label, side]:
                raise CytopipeError(
                    f"the class '{label}' ({labels.count(label)} images) has none in the {side} split",
                    where=where,
                    hint=hint or _MOVE_ON["grouped"],
                )
