from __future__ import annotations

import numpy as np
import pytest

from cytopipe.core.params import Probe
from cytopipe.embeddings.probes import Fitted, Judged, fit_probe
from cytopipe.errors import CytopipeError

KINDS: tuple[Probe, ...] = ("linear", "svm", "knn")
TRAIN, VALIDATION, TEST = np.arange(60), np.arange(60, 90), np.arange(90, 150)


def blobs(classes: int, apart: float = 6.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """150 points in 8 dimensions, float16, about a centre for each class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(150) % classes
    centres = rng.normal(size=(classes, 8)) * apart
    return (centres[labels] + rng.normal(size=(150, 8))).astype(np.float16), labels


def fit(kind: Probe, features: np.ndarray, labels: np.ndarray, classes: int) -> Fitted:
    return fit_probe(kind, features, labels, classes, Judged([(TRAIN, VALIDATION)]), TRAIN, "embeddings.x")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3])
def test_classes_that_lie_apart_are_told_apart(kind: Probe, classes: int) -> None:
    features, labels = blobs(classes)
    shares = fit(kind, features, labels, classes).probabilities(features[TEST])
    assert shares.shape == (60, classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == labels[TEST]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_test_images_change_nothing(kind: Probe) -> None:
    features, labels = blobs(3, apart=1.0)
    first = fit(kind, features, labels, 3)
    spoilt, lies = features.copy(), labels.copy()
    spoilt[TEST], lies[TEST] = np.nan, 0
    again = fit(kind, spoilt, lies, 3)
    assert (first.value, first.candidates, first.temperature) == (again.value, again.candidates, again.temperature)
    assert np.array_equal(first.probabilities(features[TEST]), again.probabilities(features[TEST]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_simplest_of_equal_settings_is_chosen(kind: Probe) -> None:
    features, labels = blobs(3, apart=30.0)
    found = fit(kind, features, labels, 3)
    best = max(one.accuracy for one in found.candidates)
    assert found.value == next(one.value for one in found.candidates if one.accuracy == best)


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_training_images_is_never_predicted(kind: Probe) -> None:
    features, labels = blobs(3)
    labels[TRAIN[labels[TRAIN] == 2]] = 0
    shares = fit(kind, features, labels, 4).probabilities(features[TEST])
    assert shares.shape == (60, 4) and not shares[:, 2:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_alone_is_an_error(kind: Probe) -> None:
    features, labels = blobs(3)
    labels[TRAIN] = 1
    with pytest.raises(CytopipeError, match="of one class"):
        fit(kind, features, labels, 3)


def test_scores_of_support_vectors_are_calibrated_on_the_images_that_chose() -> None:
    features, labels = blobs(3, apart=0.7)
    found = fit("svm", features, labels, 3)
    confidence = found.judged.max(axis=1).mean()
    accuracy = (found.judged.argmax(axis=1) == found.truth).mean()
    assert found.temperature != 1 and abs(confidence - accuracy) < 0.1
