"""Label permutation: a classifier that predicts random labels recognises test images instead of classifying them.

Every unit (a group, merged with all groups that contain copies of its images) gets a random class, with equal
probabilities. If no unit has images both in training and in test, test labels are independent of training labels, and
the expected accuracy of any classifier is exactly one over the number of classes. A unit on both sides leaks its label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import ttest_1samp
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from cytopipe.audit.findings import conclude
from cytopipe.audit.linear_probe import ridge
from cytopipe.results.audit import Finding

DRAWS = 200  # enough to resolve an excess of 1/15 of the standard deviation of one draw
ALPHA = 0.001  # significance level; low, because a run tests two classifiers per dataset
LEAST_IMAGES = 10  # minimum number of images on each side of the split


def label_permutation(features: np.ndarray, splits: Sequence[str], units: Sequence[str], classes: int) -> Finding:
    """Train two classifiers on random labels of the train split and test them on validation and test images.

    One is linear; the other one, the nearest neighbour, memorises every training image.

    Args:
        features: N x D float.
        splits: split of each image.
        units: unit of each image.
        classes: number of classes.
    """
    check = "label_permutation"
    held_out = np.array(splits) != "train"
    if min(held_out.sum(), (~held_out).sum()) < LEAST_IMAGES or classes < 2:
        return conclude(check, "skipped", "too few images to train on", "A side of the split has too few images.")
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    labels = np.random.default_rng(0).integers(classes, size=(DRAWS, unit.max() + 1))[:, unit]
    accuracies = {
        "linear": _linear(features[~held_out], features[held_out], labels[:, ~held_out], classes),
        "nearest": _nearest(features[~held_out], features[held_out], labels[:, ~held_out]),
    }
    chance = 1 / classes
    numbers: dict[str, float | int | None] = {"chance": chance}
    caught = []
    for name, predicted in accuracies.items():
        right = (predicted == labels[:, held_out]).mean(axis=1)
        p = float(ttest_1samp(right, chance, alternative="greater").pvalue) if right.std() > 0 else 1.0
        numbers |= {f"{name}_accuracy": float(right.mean()), f"{name}_p": p}
        caught += [name] if p < ALPHA else []
    shared = len(set(unit[held_out]) & set(unit[~held_out]))
    numbers |= {"images": len(unit), "units_on_both_sides": shared, "draws": DRAWS}
    best = max(float(numbers[f"{name}_accuracy"] or 0) for name in accuracies)
    text = (
        f"{DRAWS} times, every group got a random class, and a linear classifier and a nearest-neighbour classifier "
        f"were trained on these labels. On {held_out.sum()} validation and test images, their accuracy was at most "
        f"{best:.1%}; chance is {chance:.1%}. "
    )
    if caught:
        text += "Random labels can be predicted only by recognising the image or its group: change the split."
        return conclude(check, "fail", "random labels can be predicted", text, numbers)
    return conclude(check, "ok", "random labels cannot be predicted", text.strip(), numbers)


def _linear(train: np.ndarray, test: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Classes that a linear classifier predicts for M test images, DRAWS x M."""
    indicators = np.concatenate([np.eye(classes, dtype=np.float32)[draw] for draw in labels], axis=1)
    scores = ridge(train, indicators, test).reshape(len(test), len(labels), classes)
    predicted: np.ndarray = scores.argmax(axis=2).T
    return predicted


def _nearest(train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(train)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(scaler.transform(train))
    nearest: np.ndarray = search.kneighbors(scaler.transform(test), return_distance=False)[:, 0]
    return labels[:, nearest]
