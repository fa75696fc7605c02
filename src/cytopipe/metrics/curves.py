"""Curves of a classifier on test images as tables, for `dvc plots` and for the figures drawn from them.

Curves lie on fixed grids, so that the tables of two revisions are of one length, however many images there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from cytopipe.metrics.calibration import reliability
from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.operating_points import decision_rows, precision_recall_rows, wilson
from cytopipe.metrics.selective import coverage_rows

ABNORMAL = "any abnormal"  # the question that several classes make together
POINTS = 101  # of a curve on a grid of shares from 0 to 1

Table = list[dict[str, Any]]

# Columns of each table, also where it has no row.
ROC = ("class", "fpr", "tpr")
PR = ("class", "recall", "precision")
RELIABILITY = ("temperature", "confidence", "accuracy", "low", "high", "images")
DECISION = ("strategy", "threshold", "net_benefit")
COVERAGE = ("coverage", "accuracy", "threshold", "chosen")


@dataclass(frozen=True)
class Question:
    """Which images are positive (N booleans), and how much a classifier believes so (N scores)."""

    name: str
    positive: np.ndarray
    scores: np.ndarray

    @property
    def is_defined(self) -> bool:
        """Whether there are images of both kinds."""
        return bool(self.positive.any()) and not bool(self.positive.all())


def one_against_rest(truth: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> list[Question]:
    """The question of each class.

    Args:
        truth: N class indices.
        probabilities: N x classes.
        classes: their names.
    """
    return [Question(label, truth == index, probabilities[:, index]) for index, label in enumerate(classes)]


def roc_rows(questions: Sequence[Question]) -> Table:
    """ROC curves on a grid of false-positive rates; none of a question whose images are all of one kind.

    Raises:
        CytopipeError: for no images or scores that are not finite; so do the tables below.
    """
    grid = np.linspace(0, 1, POINTS)
    rows: Table = []
    for question in questions:
        check_scores(question.positive, question.scores)
        if not question.is_defined:
            continue
        fpr, tpr, _ = roc_curve(question.positive, question.scores)
        values = np.interp(grid, fpr, tpr)
        values[0] = 0.0
        rows += [{"class": question.name, "fpr": float(x), "tpr": float(y)} for x, y in zip(grid, values, strict=True)]
    return rows


def pr_rows(questions: Sequence[Question]) -> Table:
    """Precision at the highest threshold that finds a share of the positive images or more, on a grid of shares.

    It is not interpolated: between two points of a precision-recall curve a line promises too much (Davis 2006).
    """
    rows: Table = []
    for question in questions:
        points = precision_recall_rows(question.scores, question.positive)[1:]  # the first belongs to no threshold
        if not question.is_defined:
            continue
        recall = np.array([point["recall"] for point in points])
        for share in np.linspace(0, 1, POINTS):
            at = points[int(np.searchsorted(recall, share - 1e-12))]
            rows.append({"class": question.name, "recall": float(share), "precision": at["precision"]})
    return rows


def reliability_rows(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> Table:
    """Accuracy against confidence in bins, before and after the temperature, with Wilson's interval of each accuracy.

    Args:
        truth: N class indices.
        before: N x classes, probabilities as the network gives them.
        after: N x classes, the calibrated ones.
    """
    rows: Table = []
    for name, probabilities in (("before", before), ("after", after)):
        for one in reliability(truth, probabilities):
            images = int(one["images"])
            limits = wilson(round(one["accuracy"] * images), images) or {}
            shown = {"confidence": one["confidence"], "accuracy": one["accuracy"], **limits, "images": images}
            rows.append({"temperature": name, **shown})
    return rows


def net_benefit_rows(question: Question | None) -> Table:
    """Net benefit by threshold probability of acting as the model says, on all images and on none.

    Args:
        question: of abnormality; None gives no row, and so does one whose images are all of one kind.
    """
    if question is None:
        return []
    points = decision_rows(question.scores, question.positive)
    if not question.is_defined:
        return []
    return [
        {"strategy": name, "threshold": point["threshold"], "net_benefit": value}
        for name in ("model", "all", "none")
        for point in points
        for value in [point.get(name, 0.0)]
    ]


def thinned_coverage_rows(truth: np.ndarray, calibrated: np.ndarray, confidence_threshold: np.ndarray) -> Table:
    """Accuracy of the most confident images by their share: the first point of every hundredth, and the chosen one.

    Args:
        truth: N class indices.
        calibrated: N x classes.
        confidence_threshold: N, chosen on validation images for the network of each image; inf: none was.

    Returns:
        `chosen` is 1 for the last row alone, which is missing where no image is sure enough; its `threshold` is the
        lowest of all networks'.
    """
    points = coverage_rows(truth, calibrated)
    shares = np.array([point["coverage"] for point in points])
    places = np.unique(np.searchsorted(shares, np.linspace(0, 1, POINTS) - 1e-12))
    rows: Table = [{**points[place], "chosen": 0} for place in places]
    kept = calibrated.max(axis=1) >= confidence_threshold
    if kept.any():
        right = (calibrated.argmax(axis=1) == truth)[kept]
        chosen = {
            "threshold": float(confidence_threshold.min()),
            "coverage": float(kept.mean()),
            "accuracy": float(right.mean()),
        }
        rows.append({**chosen, "chosen": 1})
    return rows
