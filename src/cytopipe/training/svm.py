"""A linear support vector machine on frozen features, as the last linear layer of a network.

Standardisation and temperature are folded into the layer, so that a trained network holds nothing else.
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

from cytopipe.errors import CytopipeError
from cytopipe.metrics.temperature import fit_temperature
from cytopipe.params import Training
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
    """Logits `features @ weight.T + bias`, whose softmax is calibrated.

    `weight`: classes x D float64; `bias`: classes; `c` and `temperature`: as chosen on the validation split.
    """

    weight: np.ndarray
    bias: np.ndarray
    c: float
    temperature: float

    def copy_into(self, layer: nn.Linear) -> None:
        """Make these the weights of a layer of the same shape."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def fit_svm(train: Labelled, validation: Labelled, classes: int, balanced: bool, seed: int) -> Svm:
    """One-against-the-rest machines with squared hinge loss (Fan 2008, LIBLINEAR).

    Args:
        train: N x D features and labels; standardised with their own mean and deviation.
        validation: the same; its accuracy chooses C (of equals the smallest), its likelihood the temperature. C rises
            until the accuracy falls, as a large C takes by far the longest.
        classes: number of all classes; one without training images is never predicted before another.
        balanced: weigh classes inversely to their counts.
        seed: of the solver.

    Raises:
        CytopipeError: when all training images are of one class.
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
    """Weights, classes x D, and biases of a machine for each class."""
    machine = LinearSVC(C=c, dual="auto", class_weight="balanced" if balanced else None, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(items, labels)
    if caught:
        logger.warning("svm: the solver stopped at C %g before it converged", c)
    # Two classes share one machine; one without images is always turned away.
    pair = len(machine.classes_) == 2
    weight, bias = np.zeros((classes, items.shape[1])), np.full(classes, -1.0)
    weight[machine.classes_] = np.concatenate([-machine.coef_, machine.coef_]) if pair else machine.coef_
    bias[machine.classes_] = np.concatenate([-machine.intercept_, machine.intercept_]) if pair else machine.intercept_
    return weight, bias


def fit_svm_head(
    features: Features | None, recipe: Training, loss: Loss, classes: int, device: torch.device
) -> tuple[SvmChoice, list[Epoch]]:
    """Fill the linear head of a network with a frozen backbone.

    Args:
        features: the head and what it sees; None where that changes from epoch to epoch.
        recipe: `class_weights`, `seed` and `batch_size`.
        loss: for the history.
        classes: number of all classes.
        device: of the head.

    Returns:
        The choice made on validation images, and a history of one epoch.

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
