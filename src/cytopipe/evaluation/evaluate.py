"""The test of a trained classifier, once, at the end: of one network, or of each fold's on its own images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe.data.manifest import Row
from cytopipe.data.tensors import Items, Stack, load_all, load_split
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.decision_rule import calibrate, judge
from cytopipe.evaluation.undefined_metrics import no_operating_point, undefined
from cytopipe.inference.classify import class_probabilities, input_transform
from cytopipe.io.hashing import sha256_file
from cytopipe.io.tables import write_table
from cytopipe.metrics import curves
from cytopipe.metrics.classification import (
    LEVEL,
    REPLICATES,
    classification_metrics,
    fold_metrics,
    group_draws,
    per_class,
    spread_of_seeds,
)
from cytopipe.models.decision_rule import WANTED_ERROR, abnormality, confidence_threshold, rule_of
from cytopipe.models.files import model_id, seed_part
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.registry import count_parameters
from cytopipe.params import SPLITS
from cytopipe.plotting import curve_figures, figures
from cytopipe.results.model_spec import DecisionRule, ModelSpec


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a classifier on test images.

    Attributes:
        classes: their names.
        rows: N manifest rows; all arrays are in their order.
        truth: N class indices.
        probabilities: N x classes.
        decisions: one a network.
        part: N indices of the network that tested each image.
        metrics: numbers and their intervals.
        about: the classifier and its test split.
    """

    classes: Sequence[str]
    rows: Sequence[Row]
    truth: np.ndarray
    probabilities: np.ndarray
    decisions: Sequence[DecisionRule]
    part: np.ndarray
    metrics: dict[str, Any]
    about: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """What was tested, how, and each class on its own."""
        groups = [row.group for row in self.rows]
        bootstrap = {"level": LEVEL, "unit": "group", "replicates": REPLICATES, "proportions": "wilson"}
        named = (self.truth, self.predicted)
        return {
            **self.about,
            "interval": bootstrap,
            "per_class": per_class(*named, self.classes, group_draws(groups)),
            "undefined": undefined(*named, groups, self.classes, self.decisions, self.metrics["selective"]),
        }

    @property
    def predicted(self) -> np.ndarray:
        """N class indices."""
        return self.probabilities.argmax(axis=1)

    @property
    def calibrated(self) -> np.ndarray:
        """N x classes."""
        return calibrate(self.probabilities, self.decisions, self.part)

    @property
    def abnormal(self) -> curves.Question | None:
        """The question of abnormality, by the calibrated probabilities; None for a dataset without one."""
        names = self.decisions[0].abnormal
        if not names:
            return None
        positive = np.isin(np.asarray(self.classes)[self.truth], names)
        return curves.Question(curves.ABNORMAL, positive, abnormality(self.calibrated, self.classes, names))

    @property
    def headline(self) -> dict[str, float]:
        """Every number of the metrics but the limits of intervals, by dotted names, for MLflow."""
        points = {f"{one['wanted_specificity']:g}": one for one in self.metrics["operating_points"]}
        return scalars({**self.metrics, "operating_points": points})

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
        """Write the confusion and every curve as a table (for `dvc plots`) and a figure of the same name."""
        truth, predicted = self.truth, self.predicted
        write_table(folder / "confusion.csv", figures.confusion_rows(truth.tolist(), predicted.tolist(), self.classes))
        figures.confusion_figure(folder / "confusion.png", truth, predicted, self.classes)
        questions = curves.one_against_rest(truth, self.probabilities, self.classes)
        # A single abnormal class has its curve already.
        if self.abnormal and len(self.decisions[0].abnormal) > 1:
            questions.append(self.abnormal)
        roc, pr = curves.roc_rows(questions), curves.pr_rows(questions)
        curve_figures.roc_figure(folder / "roc.png", roc)
        curve_figures.pr_figure(folder / "pr.png", pr)
        reliability = curves.reliability_rows(truth, self.probabilities, self.calibrated)
        errors = [self.metrics["calibration"][when]["ece"] for when in ("before", "after")]
        curve_figures.reliability_figure(folder / "reliability.png", reliability, errors)
        benefit = curves.net_benefit_rows(self.abnormal)
        why = no_operating_point(truth, self.classes, self.decisions)
        curve_figures.decision_figure(folder / "decision.png", benefit, why)
        sure = np.array([confidence_threshold(chosen) for chosen in self.decisions])
        coverage = curves.thinned_coverage_rows(truth, self.calibrated, sure[self.part])
        curve_figures.coverage_figure(folder / "coverage.png", coverage, WANTED_ERROR)
        for name, rows, columns in (
            ("roc", roc, curves.ROC),
            ("pr", pr, curves.PR),
            ("reliability", reliability, curves.RELIABILITY),
            ("decision", benefit, curves.DECISION),
            ("coverage", coverage, curves.COVERAGE),
        ):
            write_table(folder / f"{name}.csv", rows, columns)


def scalars(values: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """The floats of nested metrics by dotted names, without the limits of intervals."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and not name.endswith("interval"):
            found |= scalars(value, f"{above}{name}.")
        elif isinstance(value, float):
            found[above + name] = value
    return found


def evaluate(model_folder: Path, tensors: Path, device: torch.device) -> Evaluation:
    """Predict the test split, or with folds every image by the network of its fold, and measure the predictions.

    Raises:
        CytopipeError: when the model's classes or input size are not those of the tensors, or its folds are of others.
    """
    folds = Folds.read(model_folder)
    items, rows = load_all(tensors) if folds else load_split(tensors, "test")
    tested_by = np.array([folds.of(row.id) for row in rows])
    probabilities, decisions = np.zeros(0), list[DecisionRule]()
    for number, part in enumerate(folds.parts()):
        model, spec = load_model(model_folder / part, device)
        _check(spec, items, rows, model_folder, tensors)
        chosen = np.flatnonzero(tested_by == number)
        mine = items.take(chosen) if isinstance(items, Stack) else items
        predicted = class_probabilities(model, input_transform(spec, device), mine, tta=spec.tta)
        if number == 0:
            probabilities = np.zeros((len(rows), len(spec.classes)))
        probabilities[chosen] = predicted
        decisions.append(rule_of(spec))
    truth = np.array([row.class_index for row in rows])
    groups = [row.group for row in rows]
    metrics = classification_metrics(truth, probabilities, groups)
    metrics |= judge(truth, probabilities, spec.classes, decisions, tested_by, group_draws(groups))
    if seeds := _further_seeds(model_folder, items, device):
        metrics["seeds"] = spread_of_seeds(truth, [probabilities, *seeds])
    if folds:
        metrics["folds"] = fold_metrics(truth, probabilities, tested_by)
    about = {
        "model": None if folds else model_id(model_folder),
        "architecture": spec.architecture,
        "channels": spec.channels,
        "parameters": count_parameters(model),
        "test_sha256": {split: sha256_file(tensors / f"{split}.npy") for split in SPLITS}
        if folds
        else sha256_file(tensors / "test.npy"),
    }
    return Evaluation(spec.classes, rows, truth, probabilities, decisions, tested_by, metrics, about)


def _further_seeds(model_folder: Path, items: Items, device: torch.device) -> list[np.ndarray]:
    """Probabilities, N x classes each, by the networks that were trained with further seeds."""
    found = list[np.ndarray]()
    while (part := model_folder / seed_part(len(found) + 1)).is_dir():
        model, spec = load_model(part, device)
        found.append(class_probabilities(model, input_transform(spec, device), items, tta=spec.tta))
    return found


def _check(spec: ModelSpec, items: Items, rows: Sequence[Row], model_folder: Path, tensors: Path) -> None:
    if items.shape[1] != spec.input_size:
        raise CytopipeError(f"tensors of {items.shape[1]} px, a model of {spec.input_size} px", where=model_folder)
    if any(row.class_index >= len(spec.classes) or spec.classes[row.class_index] != row.label for row in rows):
        raise CytopipeError(f"the model knows {', '.join(spec.classes)}; the test split has others", where=tensors)
