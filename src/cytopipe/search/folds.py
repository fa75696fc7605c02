"""Folds of whole groups, of the training and validation images of a dataset; test images are in none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.data.splits import divide
from cytopipe.errors import CytopipeError
from cytopipe.search.learner import Learner, Part
from cytopipe.training.folds import VALIDATION, Fold


def inner_parts(learner: Learner, images: np.ndarray, count: int, seed: int, where: str) -> list[Part]:
    """Each fold judges what was trained on the others.

    Args:
        learner: supplies labels and units.
        images: indices of the images to divide.
        count: number of folds.
        seed: seed of the random division.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: there are too few groups, or a class has no image to train on.
    """
    fold = _divide(learner, images, [1 / count] * count, seed, where)
    parts = [Part(images[fold != number], images[fold == number]) for number in range(count)]
    for number, part in enumerate(parts):
        _check(learner.labels, images, part.train, f"{where}, fold {number}")
    return parts


def outer_folds(learner: Learner, count: int, seed: int, where: str) -> list[Fold]:
    """Each fold tests what a search among the others found; images outside are divided into training and validation.

    Raises:
        CytopipeError: there are too few groups, or a class has no image to train on.
    """
    images = np.arange(len(learner.labels))
    fold = _divide(learner, images, [1 / count] * count, seed, where)
    found = []
    for number in range(count):
        rest = images[fold != number]
        held = _divide(learner, rest, [1 - VALIDATION, VALIDATION], seed, where) == 1
        found.append(Fold(rest[~held], rest[held], images[fold == number]))
        _check(learner.labels, images, found[-1].train, f"{where}, fold {number}")
    return found


def _divide(learner: Learner, images: np.ndarray, shares: Sequence[float], seed: int, where: str) -> np.ndarray:
    labels, units = [learner.labels[index] for index in images], [learner.units[index] for index in images]
    return np.array(divide(labels, units, shares, seed, where))


def _check(labels: Sequence[str], images: np.ndarray, train: np.ndarray, where: str) -> None:
    lacking = sorted({labels[index] for index in images} - {labels[index] for index in train})
    if lacking:
        raise CytopipeError(
            f"the class '{lacking[0]}' has no image to train on",
            where=where,
            hint="use fewer folds: each class needs more groups (patients, slides) than there are folds",
        )
