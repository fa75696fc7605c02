from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import fit_temperature
from cytopipe.training import svm as svm_module
from cytopipe.training.data import Labelled
from cytopipe.training.svm import GRID, Svm, fit_svm


def blobs(count: int, classes: int, seed: int, apart: float = 4.0) -> Labelled:
    """Gaussian classes in eight features with different scales and offsets; the last feature is constant."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    items = rng.normal(size=(count, 8)) + apart * np.eye(8)[labels]
    items = items * 10.0 ** np.arange(-3, 5) + np.arange(8)
    items[:, 7] = 5
    return Labelled(items.astype(np.float32), labels)


def features(data: Labelled) -> np.ndarray:
    return np.asarray(data.items, np.float64)


def logits(svm: Svm, data: Labelled) -> np.ndarray:
    found: np.ndarray = features(data) @ svm.weight.T + svm.bias
    return found


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_folded_machine_decides_as_scikit_learns_does_on_standardised_features(classes: int) -> None:
    train, validation = blobs(90, classes, 0, apart=2), blobs(30, classes, 1, apart=2)
    svm = fit_svm(train, validation, classes, balanced=False, seed=0)
    pipeline = make_pipeline(StandardScaler(), LinearSVC(C=svm.c, dual="auto", random_state=0))
    pipeline.fit(features(train), train.labels)
    found = logits(svm, validation) * svm.temperature
    expected = pipeline.decision_function(features(validation))
    if classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("accuracies", "tried", "chosen"),
    [
        ((0.5, 0.7, 0.9, 0.8), 4, GRID[2]),
        ((0.5, 0.5, 0.5, 0.5, 0.5), 5, GRID[0]),
        ((0.9, 0.8), 2, GRID[0]),
        ((0.1, 0.2, 0.2, 0.3, 0.4), 5, GRID[4]),
    ],
)
def test_c_rises_until_the_validation_accuracy_falls_and_the_smallest_of_the_best_is_taken(
    monkeypatch: pytest.MonkeyPatch, accuracies: tuple[float, ...], tried: int, chosen: float
) -> None:
    asked: list[float] = []

    def machines(items: np.ndarray, labels: np.ndarray, classes: int, c: float, *rest: object) -> tuple[Any, Any]:
        asked.append(c)
        # The bias is chosen so that this share of the ten images of class 0 is classified correctly.
        return np.array([[1.0], [0.0]]), np.array([0.0, 1 - 2 * accuracies[len(asked) - 1]])

    monkeypatch.setattr(svm_module, "_machines", machines)
    train = Labelled(np.array([[-1.0], [1.0]]), np.array([0, 1]))
    validation = Labelled(np.linspace(-1, 1, 10, endpoint=False)[:, None] + 0.1, np.zeros(10, int))
    assert fit_svm(train, validation, 2, balanced=False, seed=0).c == chosen
    assert asked == list(GRID[:tried])


def test_the_temperature_makes_the_labels_most_likely() -> None:
    # Logits (0, z), right three times out of four; with Platt's extra counts 3/4 * 5/6 + 1/4 * 1/6 = 2/3.
    for z in (0.04, 4.0, 400.0):
        found = fit_temperature(np.array([[0.0, z]] * 4), np.array([1, 1, 1, 0]))
        assert found == pytest.approx(z / math.log(2), rel=1e-3)


def test_probabilities_of_separable_data_are_high_and_finite() -> None:
    train, validation = blobs(60, 3, 0, apart=50), blobs(30, 3, 1, apart=50)
    svm = fit_svm(train, validation, 3, balanced=False, seed=0)
    probabilities = softmax(logits(svm, validation), axis=1)
    assert np.isfinite(svm.weight).all() and (probabilities.argmax(axis=1) == validation.labels).all()
    assert 0.9 < probabilities.max(axis=1).mean() < 0.99  # 31/33 with the extra counts


def test_a_class_without_training_images_is_not_predicted() -> None:
    for present in (2, 3):
        train, validation = blobs(60, present, 0), blobs(30, present, 1)
        svm = fit_svm(train, validation, 5, balanced=False, seed=0)
        assert svm.weight.shape == (5, 8) and svm.bias.shape == (5,)
        assert set(logits(svm, validation).argmax(axis=1)) == set(range(present))


def test_balanced_classes_have_equal_weight() -> None:
    data = blobs(120, 2, 0, apart=0.7)
    kept = np.flatnonzero((data.labels == 0) | (np.arange(120) % 20 == 1))
    rare, even = Labelled(np.asarray(data.items)[kept], data.labels[kept]), blobs(200, 2, 2, apart=0.7)
    predicted = []
    for balanced in (False, True):
        svm = fit_svm(rare, even, 2, balanced=balanced, seed=0)
        predicted.append(logits(svm, even).argmax(axis=1).mean())
    assert predicted[0] < 0.2 < predicted[1]


def test_a_machine_is_copied_into_a_layer() -> None:
    train, validation = blobs(60, 3, 0), blobs(30, 3, 1)
    svm = fit_svm(train, validation, 3, balanced=False, seed=0)
    layer = nn.Linear(8, 3)
    svm.copy_into(layer)
    with torch.no_grad():
        found = layer(torch.from_numpy(np.asarray(validation.items))).numpy()
    assert found == pytest.approx(logits(svm, validation), abs=1e-3)


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = (fit_svm(blobs(20, 3, 0), blobs(30, 3, 1), 3, balanced=False, seed=3) for _ in range(2))
    assert one.weight.tobytes() == two.weight.tobytes() and one.bias.tobytes() == two.bias.tobytes()


def test_a_single_class_is_rejected() -> None:
    data = blobs(20, 1, 0)
    with pytest.raises(CytopipeError, match="all training images are of one class"):
        fit_svm(data, data, 2, balanced=False, seed=0)


def test_a_solver_that_stops_early_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = LinearSVC.fit
    monkeypatch.setattr(LinearSVC, "fit", lambda self, *data: fit(self.set_params(max_iter=1), *data))
    with caplog.at_level(logging.WARNING, "cytopipe"):
        fit_svm(blobs(60, 3, 0, apart=0.1), blobs(30, 3, 1), 3, balanced=False, seed=0)
    assert "stopped at C 0.0001 before it converged" in caplog.text
