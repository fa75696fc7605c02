"""Linear probe: how well do features predict the class of images of unseen groups, and is it better than chance?

The probe is a ridge regression on class indicators, cross-validated over groups. Its predictions are linear in the
labels, so that a permutation test with hundreds of trainings costs no more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from cytopipe.metrics.bootstrap import REPLICATES, interval

FOLDS = 5
LEAST_UNITS = 3  # minimum number of units per class, for training, testing and the bootstrap
RIDGE = 1.0  # penalty in units of the mean squared norm of a training image's features


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Attributes:
        accuracy: balanced accuracy on images of groups that were not in the training data.
        low, high: 95 % confidence interval of the accuracy, by a bootstrap over units.
        chance: balanced accuracy of guessing.
        p: p-value of the permutation test: share of permutations with at least this accuracy.
        images, units: number of images and of units in the probe.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    p: float
    images: int
    units: int

    @property
    def skill(self) -> float:
        """Chance-corrected accuracy: 0 for guessing, 1 for perfect predictions."""
        return self.skill_of(self.accuracy)

    def skill_of(self, accuracy: float) -> float:
        """The skill of another balanced accuracy on the same classes."""
        return (accuracy - self.chance) / (1 - self.chance)


def probed_classes(labels: np.ndarray, units: np.ndarray) -> list[int]:
    """The classes with enough units for a probe."""
    return [int(k) for k in np.unique(labels) if len(set(units[labels == k])) >= LEAST_UNITS]


def linear_probe(
    features: np.ndarray,
    labels: np.ndarray,
    units: Sequence[str],
    permutations: int,
    repeats: int = 1,
    strongest: int | None = None,
) -> ProbeResult:
    """Cross-validate over units and compare with permuted labels.

    Args:
        features: N x D float.
        labels: N class indices; every class has LEAST_UNITS units or more.
        units: unit of each image, which must not be split: its group, merged with groups that contain its copies.
        permutations: number of permutations; all images of a unit and class are permuted together, because they are
            alike.
        repeats: number of cross-validations with different folds; their scores are added.
        strongest: number of features to use, see `strongest_features`; None for all.
    """
    classes, truth = np.unique(labels, return_inverse=True)
    names, unit = np.unique(np.asarray(units), return_inverse=True)
    rng = np.random.default_rng(0)
    targets = [truth, *permuted(truth, unit, permutations, rng)]
    indicators = np.concatenate([np.eye(len(classes), dtype=np.float32)[target] for target in targets], axis=1)
    folds = min(FOLDS, *(len(set(unit[truth == k])) for k in range(len(classes))))
    scores = np.zeros_like(indicators)
    for repeat in range(repeats):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=repeat)
        for train, test in splitter.split(features, truth, unit):
            scores[test] += _fitted(features[train], indicators[train], features[test], len(classes), strongest)
    predicted = scores.reshape(len(truth), len(targets), len(classes)).argmax(axis=2)
    accuracies = [balanced(target, predicted[:, k], len(classes)) for k, target in enumerate(targets)]
    better = sum(value >= accuracies[0] for value in accuracies[1:])
    limits = interval(drawn(truth, predicted[:, 0], unit, len(classes), rng)) or {"low": 0.0, "high": 1.0}
    return ProbeResult(
        accuracy=float(accuracies[0]),
        low=limits["low"],
        high=limits["high"],
        chance=1 / len(classes),
        p=(1 + better) / (1 + permutations),
        images=len(truth),
        units=len(names),
    )


def _fitted(
    train: np.ndarray, targets: np.ndarray, test: np.ndarray, classes: int, strongest: int | None
) -> np.ndarray:
    """Scores of test images for each target, whose class indicators are `classes` columns."""
    if strongest is None:
        return ridge(train, targets, test)
    scores = np.empty((len(test), targets.shape[1]))
    for start, used in enumerate(strongest_features(train, targets, classes, strongest)):
        columns = slice(start * classes, (start + 1) * classes)
        scores[:, columns] = ridge(train[:, used], targets[:, columns], test[:, used])
    return scores


def strongest_features(train: np.ndarray, targets: np.ndarray, classes: int, count: int) -> np.ndarray:
    """The features that correlate most with any class, so that a few that matter are not lost among thousands.

    Args:
        train: N x D features.
        targets: N x (T classes) class indicators of T targets.
        classes: number of classes.
        count: number of features.

    Returns:
        T x min(count, D) indices of features, ascending.
    """
    x, y = (StandardScaler().fit_transform(values.astype(np.float32)) for values in (train, targets))
    strength = np.abs(x.T @ y).reshape(x.shape[1], -1, classes).max(axis=2).round(3)
    order = np.argsort(-strength, axis=0, kind="stable")[:count]
    return np.sort(order, axis=0).T


def ridge(train: np.ndarray, targets: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores of test images by ridge regression on standardised features.

    Args:
        train: N x D features.
        targets: N x T class indicators.
        test: M x D features.

    Returns:
        M x T scores, divided by the standard deviation of each indicator, so that rare classes are predicted as readily
        as common ones.
    """
    train, test = train.astype(np.float64), test.astype(np.float64)
    scaler = StandardScaler().fit(train)
    x, z = scaler.transform(train), scaler.transform(test)
    frequency = targets.mean(axis=0, dtype=np.float64)
    centred = targets - frequency
    strength = RIDGE * max(float((x**2).sum()) / len(x), 1e-9)
    if x.shape[1] <= len(x):
        gram = x.T @ x
        gram[np.diag_indices_from(gram)] += strength
        scores = z @ solve(gram, x.T @ centred, assume_a="pos")
    else:
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += strength
        scores = (z @ x.T) @ solve(gram, centred, assume_a="pos")
    result: np.ndarray = scores / np.sqrt(np.maximum(frequency * (1 - frequency), 1e-9))
    return result


def permuted(truth: np.ndarray, unit: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Permutations of the labels; all images of a unit and class keep a common label."""
    blocks, inverse = np.unique(unit * (truth.max() + 1) + truth, return_inverse=True)
    of_block = blocks % (truth.max() + 1)
    return [rng.permutation(of_block)[inverse] for _ in range(count)]


def balanced(truth: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Balanced accuracy: the mean recall of the classes that occur."""
    confusion = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    actual = confusion.sum(axis=1)
    return float((confusion.diagonal()[actual > 0] / actual[actual > 0]).mean())


def drawn(
    truth: np.ndarray, predicted: np.ndarray, unit: np.ndarray, classes: int, rng: np.random.Generator
) -> list[float]:
    """Balanced accuracies of bootstrap samples of the units."""
    count = unit.max() + 1
    actual = np.bincount(unit * classes + truth, minlength=count * classes).reshape(count, classes)
    right = np.bincount(unit * classes + truth, truth == predicted, count * classes).reshape(count, classes)
    times = rng.multinomial(count, np.full(count, 1 / count), REPLICATES)
    hits, totals = times @ right, times @ actual
    recall = np.divide(hits, totals, out=np.full(hits.shape, np.nan), where=totals > 0)
    values: list[float] = np.nanmean(recall, axis=1).tolist()
    return values
