"""Suspects: training images whose label disagrees with the predictions of a small classifier of other groups.

The classifier sees the numbers of `appearance`: a logistic regression on them and on radial basis functions of them
(Williams and Seeger 2001, Nystroem's method), cross-validated over groups. It takes seconds and no GPU, and any dataset
has it; a classifier with `folds` gives suspects of its own in addition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from cytopipe.audit.appearance import appearances
from cytopipe.audit.linear_probe import FOLDS, probed_classes
from cytopipe.data.manifest import Row
from cytopipe.data.splits import beside_test, join_copies
from cytopipe.data.tensors import Stack
from cytopipe.results.suspects import Suspects

BY = "appearance probe"
_LANDMARKS = 300  # of Nystroem's approximation
_BASIS_WEIGHT = 10.0  # of the radial basis functions, whose values are small
_STRENGTH = 0.1  # inverse of the penalty of the logistic regression
_MOST = 5.0  # standard deviations; larger features are cut


def find_suspects(rows: Sequence[Row], items: Stack, reviewed: Collection[str] = (), workers: int = 1) -> Suspects:
    """Judge the labels of the images of training and validation.

    Args:
        rows: manifest of all images.
        items: their arrays, N x H x W x 5 uint8, in the same order.
        reviewed: ids of images whose label a person has corrected or confirmed.
        workers: number of processes that measure images.
    """
    return judge_labels(rows, lambda chosen: appearances(items.take(chosen), workers), reviewed)


def judge_labels(
    rows: Sequence[Row], measure: Callable[[np.ndarray], np.ndarray], reviewed: Collection[str] = ()
) -> Suspects:
    """Judge the labels of the images of training and validation by any features.

    Args:
        rows: manifest of all images.
        measure: features of images by their positions in `rows`: M x D for M of them.
        reviewed: ids of images whose label a person has corrected or confirmed.
    """
    free, beside = beside_test(rows)
    labels = np.array([rows[k].class_index for k in free], int)
    units = np.array(join_copies([rows[k].group for k in free], [rows[k].sha256 for k in free]))
    known = probed_classes(labels, units)
    unjudged = Counter(rows[k].label for k in free if rows[k].class_index not in known)
    of_class = dict(sorted(unjudged.items()))
    if len(known) < 2:
        why = "fewer than two classes have three groups or more that hold no test image"
        return Suspects.none(BY, why, beside, of_class)
    judged = np.flatnonzero(np.isin(labels, known))
    chosen = np.array(free)[judged]
    probabilities = out_of_fold(measure(chosen), labels[judged], units[judged].tolist())
    return Suspects.of(BY, [rows[k] for k in chosen], known, probabilities, beside, of_class, reviewed)


def out_of_fold(features: np.ndarray, labels: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """Probabilities of images by classifiers that saw no image of their unit.

    Args:
        features: N x D.
        labels: N class indices of K classes, each with three units or more.
        units: N units, which folds do not divide.

    Returns:
        N x K; the columns are the classes in the order of their indices.
    """
    classes, truth = np.unique(labels, return_inverse=True)
    unit = np.unique(np.asarray(units), return_inverse=True)[1]
    folds = min(FOLDS, *(len(set(unit[truth == k])) for k in range(len(classes))))
    found = np.zeros((len(truth), len(classes)))
    for train, test in StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(features, truth, unit):
        found[np.ix_(test, np.unique(truth[train]))] = _predicted(features[train], truth[train], features[test])
    return found


def _predicted(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(train)
    x, z = (scaler.transform(part).clip(-_MOST, _MOST) for part in (train, test))
    basis = Nystroem(gamma=0.5 / x.shape[1], n_components=min(_LANDMARKS, len(x)), random_state=0).fit(x)
    x, z = (np.concatenate([part, _BASIS_WEIGHT * basis.transform(part)], axis=1) for part in (x, z))
    fitted = LogisticRegression(C=_STRENGTH, max_iter=200).fit(x, labels)
    probabilities: np.ndarray = fitted.predict_proba(z)
    return probabilities
