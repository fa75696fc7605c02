"""A trained classifier on all images of another laboratory, with every decision frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe import paths
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.fit import Measured
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.decision_rule import calibrate, evaluate_decision_rule
from cytopipe.evaluation.classifier.undefined_metrics import undefined_metrics
from cytopipe.external.classes import match_classes
from cytopipe.external.drops import Scored, drops, point_drops, thresholds_of
from cytopipe.external.leaks import Leaks
from cytopipe.external.sides import Side, differing_reading
from cytopipe.metrics import recalibration
from cytopipe.metrics.classification import per_class
from cytopipe.metrics.clusters import LEAST_GROUPS, LEVEL
from cytopipe.metrics.registry import methods
from cytopipe.models.decision_rule import rule_of
from cytopipe.models.folds import Folds
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.classifier import ClassifierDetails, ClassScores, IntervalMethod
from cytopipe.results.external import ExternalClassifier, Recalibrated, Recalibration
from cytopipe.results.model_spec import SPEC, DecisionRule, ModelSpec
from cytopipe.results.numbers import Estimate
from cytopipe.results.predictions import Predictions

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class ClassifierElsewhere:
    """Predictions of a classifier there, and their evaluation; `there` has the images that are tested."""

    classes: Sequence[str]
    rows: Sequence[Row]
    labels: Sequence[str]
    there: Scored
    details: ExternalClassifier

    @property
    def predictions(self) -> Predictions:
        """The predictions, as they are stored in predictions.csv: labels are the model's classes."""
        images = [(row.id, row.group, label) for row, label in zip(self.rows, self.labels, strict=True)]
        return Predictions.of_images(self.classes, images, self.there.probabilities)


def evaluate_classifier(
    name: str,
    there: Side,
    renamed: Mapping[str, str | None],
    trained_on: Sequence[str],
    leaks: Leaks,
    device: torch.device,
    progress: Progress,
    where: str,
) -> ClassifierElsewhere:
    """Predict all images there of the model's classes, and compare with its internal test.

    Args:
        name: name of the classifier.
        there: the dataset there.
        renamed: see `match_classes`.
        trained_on: names of the datasets that the model has learnt from.
        leaks: of the search on both sides; identical images are left out.
        device: device of the computation.
        progress: wraps the iteration over a number of images.
        where: key of params.yaml, for messages.

    Raises:
        CytopipeError: a class does not exist, no image is left, an image has no place in the model's square, or the
            internal test is of another model.
    """
    files = paths.classifier(name)
    predictor = Predictor.load(files.model, device)
    classes = list(predictor.classes)
    matched = match_classes(there.summary.classes, classes, renamed, f"{where}.classes")
    rows = [row for row in there.without(leaks.copies).rows if row.label in matched]
    if not rows:
        raise CytopipeError("no image there is left to test", where=where)
    labels = [matched[row.label] for row in rows]
    truth = np.array([classes.index(label) for label in labels])
    probabilities = _probabilities(predictor, there.folder, rows, progress)
    rule, part = predictor.rule, np.zeros(len(rows), int)
    groups = [row.group for row in rows]
    scored = Scored(truth, probabilities, calibrate(probabilities, [rule], part), groups, thresholds_of([rule], part))
    present = sorted(set(truth.tolist()))
    home = internal_test(files, classes).only(present)
    judged = evaluate_decision_rule(truth, probabilities, classes, [rule], part, groups)
    metrics = drops(home, scored, present)
    predicted = probabilities.argmax(axis=1)
    undefined = undefined_metrics(truth, predicted, groups, classes, [rule], judged["selective"].error.value)
    if metrics["auc"].there.value is not None:
        undefined.pop("auc", None)  # it is the mean over the classes that are there
    actual = np.bincount(truth, minlength=len(classes)).tolist()
    details = ExternalClassifier(
        model=name,
        identity=ClassifierDetails.read(files.details).model,
        trained_on=tuple(trained_on),
        dataset=there.name,
        images=len(rows),
        groups=len(set(groups)),
        home_images=len(home.truth),
        home_groups=len(set(home.groups)),
        copies=len(leaks.copies),
        reading=_reading(predictor, there),
        leaks=leaks.findings,
        metrics=metrics,
        undefined=undefined,
        classes=matched,
        left_out=_left_out(there, matched, leaks),
        absent=tuple(label for place, label in enumerate(classes) if place not in present),
        intervals=IntervalMethod(level=LEVEL, unit="group", least_groups=LEAST_GROUPS, methods=methods()),
        per_class={
            label: ClassScores(images=images, **Estimate.of_all(one))
            for images, (label, one) in zip(actual, per_class(truth, predicted, classes, groups).items(), strict=True)
        },
        calibration=judged["calibration"],
        selective=judged["selective"],
        operating_points=point_drops(
            home, scored, classes, rule.abnormal, [one.specificity for one in rule.thresholds]
        ),
        recalibration=_recalibration(scored),
    )
    return ClassifierElsewhere(classes, rows, labels, scored, details)


def _probabilities(predictor: Predictor, folder: Path, rows: Sequence[Row], progress: Progress) -> np.ndarray:
    """N x classes, by the code that `cytopipe predict` shares: own masks, own placement, own input size."""
    images = (Measured(read_png(folder / row.path), row.pixel_size_um) for row in progress(rows, len(rows)))
    return np.stack([one.probabilities for one in predictor(images)])


def internal_test(files: paths.Trained, classes: Sequence[str]) -> Scored:
    """The predictions of the internal test, each image by the decision rule of the network that tested it.

    Raises:
        CytopipeError: they are of other classes, or a file is missing.
    """
    table = Predictions.read(files.predictions)
    if table.classes != tuple(classes):
        raise CytopipeError(
            f"these predictions are of {', '.join(table.classes)}, the model knows {', '.join(classes)}",
            where=files.predictions,
            hint="run the evaluation of the model again: dvc repro evaluate",
        )
    folds = Folds.read(files.model)
    rules: list[DecisionRule] = [rule_of(ModelSpec.read(files.model / part / SPEC)) for part in folds.parts()]
    part = np.array([folds.of(identity) for identity in table.ids], int)
    calibrated = calibrate(table.probabilities, rules, part)
    return Scored(table.truth, table.probabilities, calibrated, table.groups, thresholds_of(rules, part))


def _left_out(there: Side, matched: Mapping[str, str], leaks: Leaks) -> dict[str, int]:
    others = [label for label in there.summary.classes if label not in matched]
    return {label: sum(row.label == label and row.id not in leaks.copies for row in there.rows) for label in others}


def _reading(predictor: Predictor, there: Side) -> str:
    found = [differing_reading(predictor.spec.reading, there)]
    if predictor.cropped:
        found.append(f"of {predictor.cropped} images only the centre was seen: they are larger at the training's scale")
    return "; ".join(filter(None, found))


def _recalibration(side: Scored) -> tuple[Recalibration, ...]:
    found = []
    for trial in recalibration.recalibration(side.truth, side.calibrated, side.groups):
        why = f"fewer than {LEAST_GROUPS} groups would be left to test on" if not trial.draws else None
        metrics = {
            key: Recalibrated(before=one.before, after=one.after, low=one.low, high=one.high)
            for key, one in trial.gains.items()
        }
        about = {"method": trial.method, "groups": trial.groups, "images": trial.images, "draws": trial.draws}
        found.append(Recalibration.model_validate({**about, "metrics": metrics, "withheld": why}))
    return tuple(found)
