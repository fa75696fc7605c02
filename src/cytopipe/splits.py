"""Honest splits: whole groups on one side, class proportions kept as far as groups allow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.params import SPLITS, Split


def assign_splits(
    labels: Sequence[str], groups: Sequence[str], published: Sequence[str | None], split: Split, where: str
) -> list[str]:
    """The split of every image.

    Args:
        labels: class of each image.
        groups: group of each image; with `random`, ignored.
        published: the publisher's split of each image, or None.
        split: kind, fractions and seed.
        where: key of params.yaml, for errors.

    Returns:
        "train", "val" or "test" for each image.

    Raises:
        CytopipeError: fewer groups than splits, a class that some split lacks, a publisher's split that is missing
            or divides a group.
    """
    if split.kind == "published":
        result = _published(published, where)
    else:
        units = [f"{index}" for index in range(len(labels))] if split.kind == "random" else list(groups)
        fractions = (1 - split.val - split.test, split.val, split.test)
        result = [SPLITS[part] for part in divide(labels, units, fractions, split.seed, where)]
    check_splits(labels, groups if split.kind != "random" else None, result, where)
    return result


def divide(
    labels: Sequence[str], groups: Sequence[str], fractions: Sequence[float], seed: int, where: str
) -> list[int]:
    """Divide groups over parts so that every class is spread in the wanted fractions.

    Greedy: groups in falling order of size (ties shuffled by `seed`), each to the part that is furthest below its
    share of the classes which the group holds.

    Returns:
        The part, 0 to len(fractions) - 1, of each image.
    """
    classes = sorted(set(labels))
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(classes)))
    for label, group in zip(labels, groups, strict=True):
        counts[group][classes.index(label)] += 1
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
    wanted = np.outer(fractions, total)
    held = np.zeros_like(wanted)
    part_of = {}
    for group in order:
        # Rare classes weigh as much as common ones: the deficit is measured in shares of each class.
        deficit = ((wanted - held) / np.maximum(wanted, 1e-9)) @ (counts[group] / total)
        part = int(np.argmax(deficit))
        held[part] += counts[group]
        part_of[group] = part
    return [part_of[group] for group in groups]


def _published(published: Sequence[str | None], where: str) -> list[str]:
    missing = sum(value is None for value in published)
    if missing:
        raise CytopipeError(
            f"{missing} of {len(published)} images have no published split",
            where=where,
            hint="use kind: grouped, or name the column of the split",
        )
    return [str(value) for value in published]


def check_splits(labels: Sequence[str], groups: Sequence[str] | None, splits: Sequence[str], where: str) -> None:
    """Raise CytopipeError where a group straddles splits or a class is missing from one."""
    if groups is not None:
        sides = defaultdict(set)
        for group, side in zip(groups, splits, strict=True):
            sides[group].add(side)
        torn = sorted(group for group, parts in sides.items() if len(parts) > 1)
        if torn:
            raise CytopipeError(
                f"{len(torn)} groups lie in several splits, first '{torn[0]}' in {', '.join(sorted(sides[torn[0]]))}",
                where=where,
                hint="use kind: grouped",
            )
    counted = Counter(zip(labels, splits, strict=True))
    for side in SPLITS:
        for label in sorted(set(labels)):
            if not counted[label, side]:
                raise CytopipeError(
                    f"the class '{label}' ({labels.count(label)} images) has none in the {side} split",
                    where=where,
                    hint="exclude the class (exclude_classes), use more images, or another seed or fraction",
                )
