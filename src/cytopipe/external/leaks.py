"""Leaks between the datasets that a model has learnt from and another laboratory's: copies, and groups of one name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from cytopipe.audit.findings import conclude
from cytopipe.audit.hashes import Pair, merged, near_duplicates
from cytopipe.audit.measure import Subject, measure
from cytopipe.audit.registration import registered
from cytopipe.core.io.workers import ordered_map
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.external.sides import Side
from cytopipe.results.audit import Example, Finding

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
SAME_DATASET = 0.5  # share of copies from which a dataset is taken to be the model's own under another name
_CHUNK = 16  # images that a process takes at a time


@dataclass(frozen=True)
class Leaks:
    """What was found, and the ids of the images there whose pixels are those of an image that the model may know."""

    findings: tuple[Finding, ...]
    copies: frozenset[str]


def search(
    learnt: Sequence[Side], there: Side, *, near: bool, progress: Progress, workers: int = 1, where: str = ""
) -> Leaks:
    """Compare all images of both sides, of every split.

    Args:
        learnt: the datasets that the model has learnt from.
        there: the dataset of another laboratory.
        near: whether near-copies are searched for too, by the audit's hashes and registration.
        progress: wraps the iteration over a number of images.
        workers: number of processes that measure images.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: half of the images of either side are the same: it is one dataset under two names.
    """
    sha = {row.sha256: (side, row) for side in learnt for row in side.rows}
    copies = [row for row in there.rows if row.sha256 in sha]
    for side in learnt:
        images = {row.sha256 for row in side.rows}
        same = {row.sha256 for row in copies} & images
        fewest = min(len(images), len({row.sha256 for row in there.rows}))
        if len(same) >= SAME_DATASET * fewest:
            raise CytopipeError(
                f"{len(same)} images of '{there.name}' are images of '{side.name}', which the model has learnt from: "
                "this is no other laboratory",
                where=where,
                hint="name a dataset that it never saw; `evaluate` tests it on its own test split",
            )
    findings = [_exact(copies, sha, there), _groups(learnt, there)]
    if near:
        findings.insert(1, _near(learnt, there, progress, workers))
    return Leaks(tuple(findings), frozenset(row.id for row in copies))


def _exact(copies: Sequence[Row], sha: dict[str, tuple[Side, Row]], there: Side) -> Finding:
    title = f"{len(copies)} images there are images of the training" if copies else "no image stands on both sides"
    text = f"The sha256 of the pixels of all {len(there.rows)} images there were compared with those of the training."
    if copies:
        text += " They are left out of every number. Whoever gathered the dataset should say where they come from."
    examples = [_example(*sha[row.sha256], there, row, 0) for row in copies]
    return conclude("byte_duplicates", "fail" if copies else "ok", title, text, {"copies": len(copies)}, examples)


def _near(learnt: Sequence[Side], there: Side, progress: Progress, workers: int) -> Finding:
    images = [(side, row) for side in (*learnt, there) for row in side.rows]
    first_there = len(images) - len(there.rows)
    subjects = [Subject(side.folder / row.path, None, 0) for side, row in images]
    with closing(ordered_map(measure, subjects, workers, _CHUNK)) as results:
        found = list(progress(results, len(subjects)))
    sides = np.array([min(row.width, row.height) for _, row in images])
    hashed = near_duplicates(
        np.stack([one.fingerprint for one in found]), np.stack([one.thumbnail for one in found]), sides
    )
    places = ["home"] * first_there + ["there"] * len(there.rows)
    pairs = merged(hashed, registered(np.stack([one.portrait for one in found]), places, sides))
    across = [pair for pair in pairs if _lies_across(pair, first_there, images)]
    across.sort(key=lambda pair: (-pair.correlation, pair.first, pair.second))
    number = len({pair.second for pair in across})
    title = f"{number} images there resemble images of the training" if across else "no near-copies on both sides"
    text = (
        f"All {len(images)} images were compared in 8 orientations by the audit's search: perceptual hashes and "
        f"spectra gave candidates, and pixels decided: {len(across)} pairs."
    )
    if across:
        text += " Look at them. They count in every number, because another cell can look alike."
    examples = [_example(*images[pair.first], *images[pair.second], pair.distance) for pair in across]
    numbers = {"pairs": len(across), "images": number}
    return conclude("near_duplicates", "fail" if across else "ok", title, text, numbers, examples)


def _lies_across(pair: Pair, first_there: int, images: Sequence[tuple[Side, Row]]) -> bool:
    """Whether one image lies on either side, and they are not identical."""
    same = images[pair.first][1].sha256 == images[pair.second][1].sha256
    return pair.first < first_there <= pair.second and not same


def _groups(learnt: Sequence[Side], there: Side) -> Finding:
    names = {row.group: (side, row) for side in learnt for row in side.rows}
    shared: dict[str, Row] = {row.group: row for row in there.rows if row.group in names}
    title = f"{len(shared)} groups have one name on both sides" if shared else "no group has one name on both sides"
    text = "The names of groups (patients, slides or fields) of both sides were compared."
    if shared:
        listed = ", ".join(sorted(shared)[:5])
        text += (
            f" These are on both: {listed}{', ...' if len(shared) > 5 else ''}. Two laboratories may number alike; if "
            "they are the same patients, the model knows them, and every number there is too good."
        )
    examples = [_example(*names[group], there, row, None) for group, row in sorted(shared.items())]
    return conclude("groups", "warning" if shared else "ok", title, text, {"shared": len(shared)}, examples)


def _example(home: Side, row: Row, there: Side, other: Row, distance: int | None) -> Example:
    """Two images, with the dataset and split of each in place of the split."""
    splits = f"{home.name}/{row.split}", f"{there.name}/{other.split}"
    return Example(ids=(row.id, other.id), splits=splits, distance=distance)
