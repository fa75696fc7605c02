"""The test of a trained classifier, once, at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe.errors import CytopipeError
from cytopipe.evaluation import plots
from cytopipe.evaluation.classification import LEVEL, REPLICATES, classification_metrics, per_class
from cytopipe.files import sha256_file
from cytopipe.inference.classify import class_probabilities
from cytopipe.inputs import InputTransform
from cytopipe.manifest import Row
from cytopipe.models import load_model
from cytopipe.models.registry import count_parameters
from cytopipe.tables import write_table
from cytopipe.tensors import load_split


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a classifier on test images.

    `truth`: N class indices; `probabilities`: N x classes; `rows`: N manifest rows, in the same order; `about`: the
    classifier and its test split.
    """

    classes: Sequence[str]
    rows: Sequence[Row]
    truth: np.ndarray
    probabilities: np.ndarray
    metrics: dict[str, Any]
    about: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """What was tested, how, and each class on its own."""
        bootstrap = {"level": LEVEL, "unit": "group", "replicates": REPLICATES}
        return {**self.about, "interval": bootstrap, "per_class": per_class(self.truth, self.predicted, self.classes)}

    @property
    def predicted(self) -> np.ndarray:
        """N class indices."""
        return self.probabilities.argmax(axis=1)

    @property
    def headline(self) -> dict[str, float]:
        """The metrics that are single numbers, for MLflow."""
        return {name: value for name, value in self.metrics.items() if isinstance(value, float)}

    @property
    def predictions(self) -> list[dict[str, object]]:
        """One row an image: id, group, label, predicted, and the probability of every class."""
        return [
            {
                "id": row.id,
                "group": row.group,
                "label": row.label,
                "predicted": self.classes[predicted],
                **{f"p_{label}": float(value) for label, value in zip(self.classes, values, strict=True)},
            }
            for row, predicted, values in zip(self.rows, self.predicted, self.probabilities, strict=True)
        ]

    def write_plots(self, folder: Path) -> None:
        """Write confusion and ROC as tables (for `dvc plots`) and figures."""
        truth, predicted = self.truth, self.predicted
        write_table(folder / "confusion.csv", plots.confusion_rows(truth.tolist(), predicted.tolist(), self.classes))
        plots.confusion_figure(folder / "confusion.png", truth, predicted, self.classes)
        curves = plots.roc_rows(truth, self.probabilities, self.classes)
        write_table(folder / "roc.csv", curves, ["class", "fpr", "tpr"])
        plots.roc_figure(folder / "roc.png", curves)


def evaluate(model_folder: Path, tensors: Path, device: torch.device) -> Evaluation:
    """Predict the test split and measure the predictions.

    Raises:
        CytopipeError: when the model's classes or input size are not those of the tensors.
    """
    model, spec = load_model(model_folder, device)
    items, rows = load_split(tensors, "test")
    if items.shape[1] != spec.input_size:
        raise CytopipeError(f"tensors of {items.shape[1]} px, a model of {spec.input_size} px", where=model_folder)
    if any(row.class_index >= len(spec.classes) or spec.classes[row.class_index] != row.label for row in rows):
        raise CytopipeError(f"the model knows {', '.join(spec.classes)}; the test split has others", where=tensors)
    truth = np.array([row.class_index for row in rows])
    transform = InputTransform(spec.channels, spec.mean, spec.std, device)
    probabilities = class_probabilities(model, transform, items)
    metrics = classification_metrics(truth, probabilities, [row.group for row in rows])
    about = {
        "architecture": spec.architecture,
        "channels": spec.channels,
        "parameters": count_parameters(model),
        "test_sha256": sha256_file(tensors / "test.npy"),
    }
    return Evaluation(spec.classes, rows, truth, probabilities, metrics, about)
