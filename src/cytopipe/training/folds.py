"""Folds of whole groups: for the cross-validation of classifiers, and for cross-fitted segmenters."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.core.params.attributes import GROUP
from cytopipe.data.manifest import Row
from cytopipe.data.splits import divide, join_copies
from cytopipe.errors import CytopipeError
from cytopipe.results.dataset import LeftOutSite

logger = logging.getLogger("cytopipe")
VALIDATION = 0.15  # share of validation images among those that a fold does not test


@dataclass(frozen=True)
class Fold:
    """Row indices, in the manifest, of the training, validation and test images of one fold."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def draw_folds(
    rows: Sequence[Row], count: int, seed: int, where: str, leave_out: LeftOutSite | None = None
) -> list[Fold]:
    """Divide images into stratified folds of whole groups; the images outside a fold into training and validation.

    Args:
        rows: manifest of all images; groups stay together, and so do images with equal pixels (`sha256`).
        count: number of folds.
        seed: seed of the random division.
        where: key of params.yaml, for messages.
        leave_out: of a dataset that is divided by site or the like: each fold then tests whole sites, and one each
            where there are as many folds as sites.

    Raises:
        CytopipeError: there are too few groups or sites, or a class is missing in a part of a fold.
    """
    units = join_copies([row.group for row in rows], [row.sha256 for row in rows])
    labels = [row.label for row in rows]
    whole = units if leave_out is None or leave_out.attribute == GROUP else _sites(rows, count, leave_out, where)
    tested = np.array(divide(labels, whole, [1 / count] * count, seed, where))
    folds = []
    for fold in range(count):
        rest = np.flatnonzero(tested != fold)
        chosen = divide(
            [labels[index] for index in rest],
            [units[index] for index in rest],
            [1 - VALIDATION, VALIDATION],
            seed,
            where,
        )
        held = np.array(chosen) == 1
        folds.append(Fold(rest[~held], rest[held], np.flatnonzero(tested == fold)))
        _check(labels, folds[-1], f"{where}, fold {fold}", leave_out)
    return folds


def _sites(rows: Sequence[Row], count: int, leave_out: LeftOutSite, where: str) -> list[str]:
    name, sites = leave_out.attribute, len(leave_out.values)
    if count > sites:
        raise CytopipeError(
            f"{count} folds, but there are {sites} values of {name} to leave out: {', '.join(leave_out.values)}",
            where=where,
            hint=f"write folds: {sites}, one for each",
        )
    if count < sites:
        logger.warning("%s: %d folds test %d values of %s, several in a fold", where, count, sites, name)
    return [row.attributes[name] for row in rows]


def assign_folds(rows: Sequence[Row], count: int, seed: int) -> dict[str, int]:
    """Assign each training image to one of `count` stratified folds of whole groups.

    Returns:
        Fold by image id; empty if `count` is 0.

    Raises:
        CytopipeError: there are too few groups for so many folds.
    """
    if not count:
        return {}
    train = [row for row in rows if row.split == "train"]
    where = "segmenters.*.cross_fit"
    parts = divide([row.label for row in train], [row.group for row in train], [1 / count] * count, seed, where)
    return {row.id: part for row, part in zip(train, parts, strict=True)}


def _check(labels: Sequence[str], fold: Fold, where: str, leave_out: LeftOutSite | None) -> None:
    hint = "use fewer folds: each class needs more groups (patients, slides) than there are folds"
    if leave_out is not None:
        hint = f"use fewer folds, so that each tests several values of {leave_out.attribute}, or exclude the class"
    for part, images in (("train on", fold.train), ("validate with", fold.validation), ("test", fold.test)):
        counts = Counter(labels[index] for index in images)
        for label in sorted(set(labels)):
            if not counts[label]:
                raise CytopipeError(
                    f"the class '{label}' has no image to {part}",
                    where=where,
                    hint=hint,
                )
