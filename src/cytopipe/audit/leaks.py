"""Leaks: identical images, near-duplicates, or images of one group in different splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cytopipe.audit.findings import MOST_EXAMPLES, conclude, example
from cytopipe.audit.hashes import Pair
from cytopipe.data.manifest import Row
from cytopipe.data.splits import join_copies, torn
from cytopipe.results.audit import Example, Finding, Verdict

_RESPLIT = "Use split.kind: grouped with a group that holds the copies together, or remove them."


def byte_duplicates(rows: Sequence[Row]) -> Finding:
    """Check for identical images: across splits they are a fail, across groups of one split a warning."""
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[row.sha256].append(row)
    sets = [found for found in same.values() if len(found) > 1]
    across = [found for found in sets if len({row.split for row in found}) > 1]
    within = [found for found in sets if found not in across and len({row.group for row in found}) > 1]
    at_odds = sum(len({row.label for row in found}) > 1 for found in sets)
    verdict: Verdict = "fail" if across else "warning" if within or at_odds else "ok"
    what = {
        "fail": f"{len(across)} sets of identical images lie in several splits",
        "warning": f"{len(within) or at_odds} sets of identical images lie in several groups or classes",
        "ok": "no image stands in two splits",
    }[verdict]
    advice = {
        "fail": f"The test images among them measure memory. {_RESPLIT}",
        "warning": "Each set lies in one split, but counts as several images, or has several labels. Remove copies.",
        "ok": "",
    }[verdict]
    return conclude(
        "byte_duplicates",
        verdict,
        what,
        f"The sha256 of all {len(rows)} images' pixels were compared: {len(sets)} sets of identical images, "
        f"{len(across)} across splits; the labels differ in {at_odds}. {advice}".strip(),
        {
            "sets": len(sets),
            "across_splits": len(across),
            "across_groups": len(within),
            "labels_differ": at_odds,
        },
        [example(found[0], _elsewhere(found), 0) for found in [*across, *within][:MOST_EXAMPLES]],
    )


def _elsewhere(found: Sequence[Row]) -> Row:
    """A copy of the first image in another split if there is one, or else in another group."""
    first = found[0]
    return max(found[1:], key=lambda row: (row.split != first.split, row.group != first.group))


def sort_pairs(rows: Sequence[Row], pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Sort pairs that are not identical by kind: across splits, across groups of one split, within a group.

    Within a kind, the most similar pairs come first.
    """
    kinds: tuple[list[Pair], list[Pair], list[Pair]] = ([], [], [])
    for pair in sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second)):
        one, other = rows[pair.first], rows[pair.second]
        if one.sha256 != other.sha256:
            kinds[0 if one.split != other.split else 1 if one.group != other.group else 2].append(pair)
    return kinds


def near_duplicates(rows: Sequence[Row], pairs: Sequence[Pair]) -> Finding:
    """Check for copies: rotated, mirrored, recompressed, brightened, scaled, shifted or cropped.

    Args:
        rows: manifest rows of the images that the pairs refer to.
        pairs: near-duplicates by hashes and by registration.
    """
    across, between, within = sort_pairs(rows, pairs)
    shown = [*across, *between]
    verdict: Verdict = "fail" if across else "warning" if between else "ok"
    what = {
        "fail": f"{len(across)} pairs of near-duplicates lie in two splits",
        "warning": f"{len(between)} pairs of near-duplicates lie in two groups of one split",
        "ok": "no near-duplicates across splits or groups",
    }[verdict]
    advice = {
        "fail": f"Look at the pairs: if they are copies, results on this split are too good. {_RESPLIT}",
        "warning": "Look at the pairs: if they are copies, groups are not independent and intervals too narrow. "
        "Name a group that holds them together.",
        "ok": "Copies shifted, cropped or turned by more than a tenth are not found, nor such of images below 24 px.",
    }[verdict]
    return conclude(
        "near_duplicates",
        verdict,
        what,
        f"All {len(rows)} images were compared in 8 orientations (quarter turns, mirror images): perceptual hashes and "
        "spectra gave candidates, and pixels decided, laid over each other where one was shifted, cropped or turned by "
        f"some degrees: {len(across)} pairs across splits, {len(between)} across groups of one split, "
        f"{len(within)} within a group. {advice}",
        {
            "across_splits": len(across),
            "across_groups": len(between),
            "within_groups": len(within),
            "images_across_splits": len({k for pair in across for k in (pair.first, pair.second)}),
            "shifted_or_turned": sum(pair.distance is None for pair in shown),
            "labels_differ": sum(rows[pair.first].label != rows[pair.second].label for pair in shown),
        },
        [example(rows[pair.first], rows[pair.second], pair.distance) for pair in shown[:MOST_EXAMPLES]],
    )


def groups_across_splits(rows: Sequence[Row]) -> Finding:
    """Check for groups (patients, slides, fields) with images in several splits."""
    found = torn([row.group for row in rows], [row.split for row in rows])
    groups = len({row.group for row in rows})
    concerned = sum(row.group in found for row in rows)
    text = f"Of {groups} groups (patients, slides or fields) {len(found)} have images in several splits"
    if found:
        text += (
            f", {concerned} images in all. A classifier can know a test image by its group. Use split.kind: grouped."
        )
    elif groups == len(rows):
        text += ". Every image is a group of its own: if several come of one patient or slide, name that group."
    else:
        text += "."
    return conclude(
        "groups",
        "fail" if found else "ok",
        f"{len(found)} groups lie in several splits" if found else "no group lies in several splits",
        text,
        {"groups": groups, "across_splits": len(found), "images_of_these": concerned},
        [_in_two_splits(rows, group) for group in list(found)[:MOST_EXAMPLES]],
    )


def _in_two_splits(rows: Sequence[Row], group: str) -> Example:
    members = [row for row in rows if row.group == group]
    return example(*next(pair for pair in combinations(members, 2) if pair[0].split != pair[1].split))


def independent_units(rows: Sequence[Row], pairs: Sequence[Pair]) -> list[str]:
    """The unit of each image, which cross-validation must not split: its group and all groups that share copies."""
    ends = np.array([(pair.first, pair.second) for pair in pairs], dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(rows), len(rows)))
    _, component = connected_components(graph, directed=False)
    units = join_copies([row.group for row in rows], [row.sha256 for row in rows])
    return join_copies(units, [str(number) for number in component])
