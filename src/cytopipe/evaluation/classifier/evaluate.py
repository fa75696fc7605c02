"""Evaluation of a trained classifier on test images, or of each network of a cross-validation on its fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.io.tables import write_table
from cytopipe.core.params import SPLITS
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import Items, Stack, load_all, load_split
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.decision_rule import calibrate, evaluate_decision_rule
from cytopipe.evaluation.classifier.undefined_metrics import undefined_metrics, why_no_operating_point
from cytopipe.metrics import curves
from cytopipe.metrics.classification import classification_metrics, fold_metrics, per_class, spread_of_seeds
from cytopipe.metrics.clusters import LEAST_GROUPS, LEVEL
from cytopipe.metrics.plotting import curve_figures, figures
from cytopipe.metrics.registry import methods
from cytopipe.models.decision_rule import WANTED_ERROR, abnormality, confidence_threshold, rule_of
from cytopipe.models.ensemble import load_classifier, mean_of, members_of
from cytopipe.models.files import SUMS, model_id, seed_part
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.registry import count_parameters
from cytopipe.results.classifier import ClassifierDetails, ClassScores, IntervalMethod
from cytopipe.results.contract import Record
from cytopipe.results.ensemble import PERFORMANCE
from cytopipe.results.headline import Headline
from cytopipe.results.model_spec import DecisionRule, ModelSpec
from cytopipe.results.numbers import Estimate, Spreads
from cytopipe.results.predictions import Predictions


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a classifier on test images, and their evaluation.

    Attributes:
        classes: class names.
        rows: N manifest rows; the arrays are in the same order.
        truth: N class indices.
        probabilities: N x classes, uncalibrated.
        decisions: one decision rule per network.
        part: N indices of the network that tested each image.
        details: every number with its interval.
    """

    classes: Sequence[str]
    rows: Sequence[Row]
    truth: np.ndarray
    probabilities: np.ndarray
    decisions: Sequence[DecisionRule]
    part: np.ndarray
    details: ClassifierDetails

    @property
    def predicted(self) -> np.ndarray:
        """Predicted classes, N indices."""
        chosen: np.ndarray = self.probabilities.argmax(axis=1)
        return chosen

    @property
    def calibrated(self) -> np.ndarray:
        """Calibrated probabilities, N x classes."""
        return calibrate(self.probabilities, self.decisions, self.part)

    @property
    def abnormal(self) -> curves.BinaryProblem | None:
        """Abnormal against normal by the calibrated probabilities; None for a dataset without normal classes."""
        names = self.decisions[0].abnormal
        if not names:
            return None
        positive = np.isin(np.asarray(self.classes)[self.truth], names)
        return curves.BinaryProblem(curves.ABNORMAL, positive, abnormality(self.calibrated, self.classes, names))

    @property
    def headline(self) -> Headline:
        """The numbers of metrics.json."""
        return Headline.of("classification", self.details)

    @property
    def logged(self) -> dict[str, float]:
        """The numbers for MLflow by dotted names: all but those of single classes and the limits of intervals."""
        one = self.details
        points = {f"{point.wanted_specificity:g}": point for point in one.operating_points}
        spreads = {"seeds": one.seeds, "folds": one.folds}
        return scalars(
            {
                **one.metrics,
                "calibration": one.calibration,
                "selective": one.selective,
                "operating_points": points,
                **{name: spread.metrics for name, spread in spreads.items() if spread},
                "patients": one.patients or {},
            }
        )

    @property
    def predictions(self) -> Predictions:
        """The predictions, as they are stored in predictions.csv."""
        images = [(row.id, row.group, row.label) for row in self.rows]
        return Predictions.of_images(self.classes, images, self.probabilities)

    def write_plots(self, tables: Path, drawn: Path) -> None:
        """Write the confusion matrix and every curve, as a table for `dvc plots` and as a figure of the same name.

        Args:
            tables: existing folder of the tables.
            drawn: existing folder of the figures.
        """
        truth, predicted = self.truth, self.predicted
        write_table(tables / "confusion.csv", figures.confusion_rows(truth.tolist(), predicted.tolist(), self.classes))
        figures.confusion_figure(drawn / "confusion.png", truth, predicted, self.classes)
        problems = curves.one_vs_rest(truth, self.probabilities, self.classes)
        # A single abnormal class already has its curve.
        if self.abnormal and len(self.decisions[0].abnormal) > 1:
            problems.append(self.abnormal)
        roc, pr = curves.roc_rows(problems), curves.pr_rows(problems)
        curve_figures.roc_figure(drawn / "roc.png", roc)
        curve_figures.pr_figure(drawn / "pr.png", pr)
        reliability = curves.reliability_rows(truth, self.probabilities, self.calibrated)
        calibration = self.details.calibration
        errors = [one["ece"].value or 0.0 for one in (calibration.before, calibration.after)]
        curve_figures.reliability_figure(drawn / "reliability.png", reliability, errors)
        benefit = curves.net_benefit_rows(self.abnormal)
        why = why_no_operating_point(truth, self.classes, self.decisions)
        curve_figures.decision_figure(drawn / "decision.png", benefit, why)
        sure = np.array([confidence_threshold(chosen) for chosen in self.decisions])
        coverage = curves.thinned_coverage_rows(truth, self.calibrated, sure[self.part])
        curve_figures.coverage_figure(drawn / "coverage.png", coverage, WANTED_ERROR)
        for name, rows, columns in (
            ("roc", roc, curves.ROC),
            ("pr", pr, curves.PR),
            ("reliability", reliability, curves.RELIABILITY),
            ("decision", benefit, curves.DECISION),
            ("coverage", coverage, curves.COVERAGE),
        ):
            write_table(tables / f"{name}.csv", rows, columns)


def scalars(values: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """Flatten nested results to numbers by dotted names, without limits of intervals and undefined numbers."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Estimate):
            value = value.value
        if isinstance(value, float):
            found[above + name] = value
        elif isinstance(value, Mapping | Record):
            found |= scalars(value if isinstance(value, Mapping) else dict(value), f"{above}{name}.")
    return found


def evaluate(
    model_folder: Path,
    tensors: Path,
    dataset: str,
    device: torch.device,
    sha256: Callable[[Path], str] = sha256_file,
) -> Evaluation:
    """Predict the test images and evaluate the predictions.

    The test images are those of the test split, and networks of several seeds predict them by their mean. In a
    cross-validation they are all images, each predicted by the network of the fold that tests it, with the decision
    rule of this network; the mean of all networks has seen every image and is not tested.

    Args:
        model_folder: folder of a network, or of one network per fold.
        tensors: folder of the dataset's arrays and their manifest.
        dataset: name of the dataset.
        device: device of the computation.
        sha256: hashes a file; that of a `HashRecord` reads no array that is known.

    Raises:
        CytopipeError: if classes or input size of the model differ from those of the tensors, or its folds do not
            contain an image.
    """
    folds = Folds.read(model_folder)
    items, rows = load_all(tensors) if folds else load_split(tensors, "test")
    tested_by = np.array([folds.of(row.id) for row in rows])
    probabilities, decisions = np.zeros(0), list[DecisionRule]()
    for number, part in enumerate(folds.parts()):
        model, spec = load_classifier(model_folder / part, device)
        _check(spec, items, rows, model_folder, tensors)
        chosen = np.flatnonzero(tested_by == number)
        mine = items.take(chosen) if isinstance(items, Stack) else items
        transform = input_transform(spec, device)
        each = [class_probabilities(one, transform, mine, tta=spec.tta) for one in members_of(model)]
        predicted = mean_of(each)
        if number == 0:
            probabilities = np.zeros((len(rows), len(spec.classes)))
        probabilities[chosen] = predicted
        decisions.append(rule_of(spec))
    truth = np.array([row.class_index for row in rows])
    seeds = [] if folds else each if len(each) > 1 else _seeds(model_folder, probabilities, items, device)
    details = ClassifierDetails(
        dataset=dataset,
        model=model_id(model_folder) if (model_folder / SUMS).is_file() else None,
        architecture=spec.architecture,
        channels=spec.channels,
        parameters=count_parameters(members_of(model)[0]),
        test_sha256=_tested(tensors, bool(folds), sha256),
        seeds=Spreads.model_validate(spread_of_seeds(truth, seeds)) if len(seeds) > 1 else None,
        folds=Spreads.model_validate(fold_metrics(truth, probabilities, tested_by)) if folds else None,
        performance=PERFORMANCE["folds"] if folds else PERFORMANCE["seeds"] if len(each) > 1 else None,
        **measure(truth, probabilities, [row.group for row in rows], spec.classes, decisions, tested_by),
    )
    return Evaluation(spec.classes, rows, truth, probabilities, decisions, tested_by, details)


def measure(
    truth: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str],
    classes: Sequence[str],
    decisions: Sequence[DecisionRule],
    part: np.ndarray,
) -> dict[str, Any]:
    """Compute the fields of ClassifierDetails that depend on the predictions alone.

    Args:
        truth: N class indices.
        probabilities: N x classes.
        groups: N names of groups.
        classes: class names.
        decisions: one decision rule per network.
        part: N indices of the network that tested each image.

    Raises:
        CytopipeError: if there are no images or a score is not finite.
    """
    measured = classification_metrics(truth, probabilities, groups)
    judged = evaluate_decision_rule(truth, probabilities, classes, decisions, part, groups)
    predicted = probabilities.argmax(axis=1)
    actual = np.bincount(truth, minlength=len(classes)).tolist()
    return {
        "images": len(truth),
        "groups": len(set(groups)),
        "intervals": IntervalMethod(level=LEVEL, unit="group", least_groups=LEAST_GROUPS, methods=methods()),
        "metrics": Estimate.of_all(measured),
        "per_class": {
            label: ClassScores(images=images, **Estimate.of_all(one))
            for images, (label, one) in zip(actual, per_class(truth, predicted, classes, groups).items(), strict=True)
        },
        "undefined": undefined_metrics(truth, predicted, groups, classes, decisions, judged["selective"].error.value),
        **judged,
    }


def _tested(tensors: Path, all_splits: bool, sha256: Callable[[Path], str]) -> str | dict[str, str]:
    """SHA-256 of the arrays of the tested images."""
    if all_splits:
        return {split: sha256(tensors / f"{split}.npy") for split in SPLITS}
    return sha256(tensors / "test.npy")


def _seeds(model_folder: Path, first: np.ndarray, items: Items, device: torch.device) -> list[np.ndarray]:
    """Probabilities by the first network and those of further seeds beside it, which an older folder does not join."""
    found = [first]
    while (part := model_folder / seed_part(len(found))).is_dir():
        model, spec = load_model(part, device)
        found.append(class_probabilities(model, input_transform(spec, device), items, tta=spec.tta))
    return found


def _check(spec: ModelSpec, items: Items, rows: Sequence[Row], model_folder: Path, tensors: Path) -> None:
    if items.shape[1] != spec.input_size:
        raise CytopipeError(f"tensors of {items.shape[1]} px, a model of {spec.input_size} px", where=model_folder)
    if any(row.class_index >= len(spec.classes) or spec.classes[row.class_index] != row.label for row in rows):
        raise CytopipeError(f"the model knows {', '.join(spec.classes)}; the test split has others", where=tensors)
