"""Labels without meaning: a classifier that learns them recognises test images instead of classifying them.

Every unit (a group, joined with those that hold copies of its images) gets a class drawn anew, all classes equally
likely. Where no unit has images on both sides, test labels are independent of training labels, and any classifier is
right once in as many times as there are classes, exactly. Images on both sides carry their drawn label across.
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

DRAWS = 200  # resolves an excess of a fifteenth of a draw's standard deviation
ALPHA = 0.001  # of a false alarm: two classifiers a dataset, on every dataset of a run
LEAST_IMAGES = 10  # on each side


def label_permutation(features: np.ndarray, splits: Sequence[str], units: Sequence[str], classes: int) -> Finding:
    """Train on the train split with drawn labels, test on validation and test images with theirs.

    Two classifiers: one linear, and the nearest neighbour, which remembers every training image.

    Args:
        features: N x D float.
        splits: of each image.
        units: of each image.
        classes: number of classes to draw from.
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
        f"Every group got a class drawn anew, {DRAWS} times; a linear classifier and the nearest neighbour were "
        f"trained on these labels. On {held_out.sum()} validation and test images they were right in up to {best:.1%} "
        f"of cases; chance is {chance:.1%}. "
    )
    if caught:
        text += "Labels without meaning can be known only by recognising the image or its group: mend the split."
        return conclude(check, "fail", "labels without meaning are learnt", text, numbers)
    return conclude(check, "ok", "labels without meaning are not learnt", text.strip(), numbers)


def _linear(train: np.ndarray, test: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Predicted classes, DRAWS x M."""
    indicators = np.concatenate([np.eye(classes, dtype=np.float32)[draw] for draw in labels], axis=1)
    scores = ridge(train, indicators, test).reshape(len(test), len(labels), classes)
    predicted: np.ndarray = scores.argmax(axis=2).T
    return predicted


def _nearest(train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> np.ndarray:
    scaler = StandardScaler().fit(train)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(scaler.transform(train))
    nearest: np.ndarray = search.kneighbors(scaler.transform(test), return_distance=False)[:, 0]
    return labels[:, nearest]
