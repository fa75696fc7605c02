"""Folds of whole groups: of all images for the test of a classifier, of training images for cross-fitted segmenters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.data.splits import divide, join_copies
from cytopipe.errors import CytopipeError

VALIDATION = 0.15  # of the images that a fold does not test on


@dataclass(frozen=True)
class Fold:
    """Positions of a fold's images in the manifest: to train on, to choose the epoch by, and to test on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def draw_folds(rows: Sequence[Row], count: int, seed: int, where: str) -> list[Fold]:
    """Divide images into folds of whole groups with the classes spread, and what remains into train and validation.

    Args:
        rows: of all images; those with the same pixels (`sha256`) stay together, as do groups.
        count: of folds.
        seed: of the draw.
        where: key of params.yaml, for errors.

    Raises:
        CytopipeError: for too few groups, or a fold without one of the classes to train on, to validate or to test.
    """
    units = join_copies([row.group for row in rows], [row.sha256 for row in rows])
    labels = [row.label for row in rows]
    tested = np.array(divide(labels, units, [1 / count] * count, seed, where))
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
        _check(labels, folds[-1], f"{where}, fold {fold}")
    return folds


def assign_folds(rows: Sequence[Row], count: int, seed: int) -> dict[str, int]:
    """Fold of each training image; groups stay together and classes are spread. Empty for count 0.

    Raises:
        CytopipeError: when there are too few groups for so many folds.
    """
    if not count:
        return {}
    train = [row for row in rows if row.split == "train"]
    where = "segmenters.*.cross_fit"
    parts = divide([row.label for row in train], [row.group for row in train], [1 / count] * count, seed, where)
    return {row.id: part for row, part in zip(train, parts, strict=True)}


def _check(labels: Sequence[str], fold: Fold, where: str) -> None:
    for part, images in (("train on", fold.train), ("validate with", fold.validation), ("test", fold.test)):
        counts = Counter(labels[index] for index in images)
        for label in sorted(set(labels)):
            if not counts[label]:
                raise CytopipeError(
                    f"the class '{label}' has no image to {part}", where=where, hint="use fewer folds or another seed"
                )
