"""The test of a trained classifier, once, at the end: of one network, or of each fold's on its own images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe.errors import CytopipeError
from cytopipe.evaluation import plots
from cytopipe.evaluation.classification import (
    LEVEL,
    REPLICATES,
    classification_metrics,
    fold_metrics,
    group_draws,
    per_class,
    spread_of_seeds,
)
from cytopipe.evaluation.decisions import Decisions, judge
from cytopipe.files import sha256_file
from cytopipe.inference.classify import class_probabilities, input_transform
from cytopipe.manifest import Row
from cytopipe.models import FOLDS, MAIN, ModelSpec, load_model, part_of, seed_part
from cytopipe.models.registry import count_parameters
from cytopipe.params import SPLITS
from cytopipe.tables import write_table
from cytopipe.tensors import Items, Stack, load_all, load_split


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
    """Predict the test split, or with folds every image by the network of its fold, and measure the predictions.

    Raises:
        CytopipeError: when the model's classes or input size are not those of the tensors, or its folds are of others.
    """
    folds = read_folds(model_folder)
    items, rows = load_all(tensors) if folds else load_split(tensors, "test")
    tested_by = np.array([_fold_of(row, folds, model_folder) for row in rows])
    parts = [part_of(fold) for fold in range(tested_by.max() + 1)] if folds else [MAIN]
    probabilities, decisions = np.zeros(0), list[Decisions]()
    for number, part in enumerate(parts):
        model, spec = load_model(model_folder / part, device)
        _check(spec, items, rows, model_folder, tensors)
        chosen = np.flatnonzero(tested_by == number)
        mine = items.take(chosen) if isinstance(items, Stack) else items
        predicted = class_probabilities(model, input_transform(spec, device), mine, orientations=spec.orientations)
        if number == 0:
            probabilities = np.zeros((len(rows), len(spec.classes)))
        probabilities[chosen] = predicted
        decisions.append(Decisions.of(spec))
    truth = np.array([row.class_index for row in rows])
    groups = [row.group for row in rows]
    metrics = classification_metrics(truth, probabilities, groups)
    metrics |= judge(truth, probabilities, spec.classes, decisions, tested_by, group_draws(groups))
    if seeds := _further_seeds(model_folder, items, device):
        metrics["seeds"] = spread_of_seeds(truth, [probabilities, *seeds])
    if folds:
        metrics["folds"] = fold_metrics(truth, probabilities, tested_by)
    about = {
        "architecture": spec.architecture,
        "channels": spec.channels,
        "parameters": count_parameters(model),
        "test_sha256": {split: sha256_file(tensors / f"{split}.npy") for split in SPLITS}
        if folds
        else sha256_file(tensors / "test.npy"),
    }
    return Evaluation(spec.classes, rows, truth, probabilities, metrics, about)


def _further_seeds(model_folder: Path, items: Items, device: torch.device) -> list[np.ndarray]:
    """Probabilities, N x classes each, by the networks that were trained with further seeds."""
    found = list[np.ndarray]()
    while (part := model_folder / seed_part(len(found) + 1)).is_dir():
        model, spec = load_model(part, device)
        found.append(class_probabilities(model, input_transform(spec, device), items, orientations=spec.orientations))
    return found


def read_folds(model_folder: Path) -> dict[str, int]:
    """The fold that tests each image; empty for a model without folds."""
    file = model_folder / FOLDS
    return json.loads(file.read_text()) if file.is_file() else {}


def _fold_of(row: Row, folds: Mapping[str, int], model_folder: Path) -> int:
    if folds and row.id not in folds:
        raise CytopipeError(
            f"the image '{row.id}' is in no fold", where=model_folder, hint="train the classifier again"
        )
    return folds.get(row.id, 0)


def _check(spec: ModelSpec, items: Items, rows: Sequence[Row], model_folder: Path, tensors: Path) -> None:
    if items.shape[1] != spec.input_size:
        raise CytopipeError(f"tensors of {items.shape[1]} px, a model of {spec.input_size} px", where=model_folder)
    if any(row.class_index >= len(spec.classes) or spec.classes[row.class_index] != row.label for row in rows):
        raise CytopipeError(f"the model knows {', '.join(spec.classes)}; the test split has others", where=tensors)
