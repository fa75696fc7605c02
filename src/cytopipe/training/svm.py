"""A linear support vector machine on frozen features, as the last linear layer of a network.

Standardisation and temperature are folded into the layer, so that the network needs nothing else.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from torch import nn

from cytopipe.core.params import Training
from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import fit_temperature
from cytopipe.results.model_spec import SvmChoice
from cytopipe.training.classification import ClassificationTask
from cytopipe.training.data import Labelled
from cytopipe.training.features import Features, ToDevice
from cytopipe.training.loop import Epoch
from cytopipe.training.losses import Loss

logger = logging.getLogger("cytopipe")
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Svm:
    """A fitted machine; the softmax of its logits `features @ weight.T + bias` is calibrated.

    Attributes:
        weight: classes x D float64.
        bias: classes float64.
        c: regularisation parameter C, chosen on validation images.
        temperature: temperature of the calibration, fitted on validation images; already divided out.
    """

    weight: np.ndarray
    bias: np.ndarray
    c: float
    temperature: float

    def copy_into(self, layer: nn.Linear) -> None:
        """Copy weight and bias into a layer of the same shape."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def fit_svm(train: Labelled, validation: Labelled, classes: int, balanced: bool, seed: int) -> Svm:
    """Fit one-versus-rest machines with squared hinge loss (Fan 2008, LIBLINEAR).

    Args:
        train: N x D features and class indices; features are standardised by their own mean and standard deviation.
        validation: the same for validation images. Their accuracy chooses C, the smallest among equals; the search goes
            up the grid until accuracy falls, because a large C takes by far the longest. Their likelihood chooses the
            temperature.
        classes: number of classes; a class without training images always ranks last.
        balanced: weight classes inversely to their counts.
        seed: seed of the solver.

    Raises:
        CytopipeError: all training images are of one class.
    """
    if len(np.unique(train.labels)) < 2:
        raise CytopipeError("all training images are of one class", hint="head: svm needs at least two")
    items = np.asarray(train.items, np.float64)
    mean, deviation = items.mean(axis=0), items.std(axis=0)
    deviation[deviation == 0] = 1
    items = (items - mean) / deviation
    held_out = (np.asarray(validation.items, np.float64) - mean) / deviation

    best_accuracy, chosen = -1.0, (GRID[0], np.zeros((classes, items.shape[1])), np.zeros(classes))
    for c in GRID:
        weight, bias = _machines(items, train.labels, classes, c, balanced, seed)
        accuracy = float(((held_out @ weight.T + bias).argmax(axis=1) == validation.labels).mean())
        if accuracy < best_accuracy:
            break
        if accuracy > best_accuracy:
            best_accuracy, chosen = accuracy, (c, weight, bias)
    c, weight, bias = chosen
    temperature = fit_temperature(held_out @ weight.T + bias, validation.labels)
    logger.info("svm: C %g gives a validation accuracy of %.4f; temperature %.3g", c, best_accuracy, temperature)
    weight = weight / deviation
    return Svm(weight / temperature, (bias - weight @ mean) / temperature, c, temperature)


def _machines(
    items: np.ndarray, labels: np.ndarray, classes: int, c: float, balanced: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, classes x D, and biases of the one-versus-rest machines."""
    machine = LinearSVC(C=c, dual="auto", class_weight="balanced" if balanced else None, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(items, labels)
    if caught:
        logger.warning("svm: the solver stopped at C %g before it converged", c)
    # Two classes share one machine; a class without images keeps weight 0 and bias -1.
    pair = len(machine.classes_) == 2
    weight, bias = np.zeros((classes, items.shape[1])), np.full(classes, -1.0)
    weight[machine.classes_] = np.concatenate([-machine.coef_, machine.coef_]) if pair else machine.coef_
    bias[machine.classes_] = np.concatenate([-machine.intercept_, machine.intercept_]) if pair else machine.intercept_
    return weight, bias


def fit_svm_head(
    features: Features | None, recipe: Training, loss: Loss, classes: int, device: torch.device
) -> tuple[SvmChoice, list[Epoch]]:
    """Fit the linear head of a network with a frozen backbone.

    Args:
        features: the head and its inputs; None if these change from epoch to epoch.
        recipe: supplies `class_weights`, `seed` and `batch_size`.
        loss: loss to report in the history.
        classes: number of classes.
        device: device of the head.

    Returns:
        C and temperature as chosen on validation images, and a history of one epoch.

    Raises:
        CytopipeError: the features change from epoch to epoch, or all training images are of one class.
    """
    if features is None or not isinstance(features.head, nn.Linear):
        raise CytopipeError(
            "head: svm is fitted once, to features that stay the same",
            hint="set freeze: true and no augmentation; choose an architecture without dropout before its head",
        )
    head, train, validation = features.head, features.train, features.validation
    svm = fit_svm(train, validation, classes, recipe.class_weights == "balanced", recipe.seed)
    svm.copy_into(head)
    task = ClassificationTask(head, ToDevice(device), train.labels, validation, loss, recipe.batch_size)
    with torch.inference_mode():
        trained, validated = task.measure(train), task.validate()
    epoch: Epoch = {
        "epoch": 1,
        "learning_rate": 0.0,
        "train_loss": trained["loss"],
        "train_accuracy": trained["accuracy"],
        **{f"val_{name}": value for name, value in validated.items()},
        "best": 1.0,
    }
    return SvmChoice(c=svm.c, temperature=svm.temperature), [epoch]
