"""Suspects of a cross-validated classifier: each image is judged by the network that was not trained on its group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.data.splits import beside_test
from cytopipe.results.suspects import Suspects


def fold_suspects(name: str, rows: Sequence[Row], probabilities: np.ndarray, part: np.ndarray) -> Suspects | None:
    """Judge the labels of the images of training and validation by out-of-fold predictions.

    A cross-validation tests every image once, but the images of the dataset's test split stay out: other classifiers
    are tested on them.

    Args:
        name: of the classifier.
        rows: N images of all splits.
        probabilities: N x classes, calibrated.
        part: N numbers of the fold whose network predicted each image.

    Returns:
        The suspects; None for a classifier without folds, which has predicted its own test images alone.
    """
    folds = len(np.unique(part))
    if folds < 2:
        return None
    by = f"{name}, {folds} folds"
    positions, beside = beside_test(rows)
    classes = sorted({rows[k].class_index for k in positions})
    if len(classes) < 2:
        return Suspects.none(by, "images of fewer than two classes are of groups that hold no test image", beside)
    chosen = probabilities[np.ix_(positions, classes)]
    chosen = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-12)
    return Suspects.of(by, [rows[k] for k in positions], classes, chosen, beside, {})
