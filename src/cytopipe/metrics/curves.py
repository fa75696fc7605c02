"""Curves of a classifier on test images as tables, for `dvc plots` and for the figures drawn from them.

Curves are sampled on fixed grids, so that the tables of two revisions have the same length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from cytopipe.metrics.calibration import reliability
from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.operating_points import decision_curve_rows, precision_recall_rows, wilson
from cytopipe.metrics.selective import coverage_rows

ABNORMAL = "any abnormal"  # name of the problem in which all abnormal classes together are positive
POINTS = 101  # of a curve on a grid from 0 to 1

Table = list[dict[str, Any]]

# Columns of each table, also if it has no rows.
ROC = ("class", "fpr", "tpr")
PR = ("class", "recall", "precision")
RELIABILITY = ("temperature", "confidence", "accuracy", "low", "high", "images")
DECISION = ("strategy", "threshold", "net_benefit")
COVERAGE = ("coverage", "accuracy", "threshold", "chosen")


@dataclass(frozen=True)
class BinaryProblem:
    """Which images are positive (N booleans), and their scores for being positive (N numbers)."""

    name: str
    positive: np.ndarray
    scores: np.ndarray

    @property
    def is_defined(self) -> bool:
        """Whether there are both positive and negative images."""
        return bool(self.positive.any()) and not bool(self.positive.all())


def one_vs_rest(truth: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> list[BinaryProblem]:
    """Make one binary problem per class: the class against all others.

    Args:
        truth: N class indices.
        probabilities: N x classes.
        classes: their names.
    """
    return [BinaryProblem(label, truth == index, probabilities[:, index]) for index, label in enumerate(classes)]


def roc_rows(problems: Sequence[BinaryProblem]) -> Table:
    """ROC curves on a grid of false-positive rates; a problem without positive or negative images has no rows.

    Raises:
        CytopipeError: if there are no images or a score is not finite; the functions below raise it too.
    """
    grid = np.linspace(0, 1, POINTS)
    rows: Table = []
    for problem in problems:
        check_scores(problem.positive, problem.scores)
        if not problem.is_defined:
            continue
        fpr, tpr, _ = roc_curve(problem.positive, problem.scores)
        values = np.interp(grid, fpr, tpr)
        values[0] = 0.0
        rows += [{"class": problem.name, "fpr": float(x), "tpr": float(y)} for x, y in zip(grid, values, strict=True)]
    return rows


def pr_rows(problems: Sequence[BinaryProblem]) -> Table:
    """Precision on a grid of recalls, at the highest threshold that reaches each recall.

    The curve is not interpolated: a line between two of its points is too optimistic (Davis and Goadrich 2006).
    """
    rows: Table = []
    for problem in problems:
        points = precision_recall_rows(problem.scores, problem.positive)[1:]  # the first belongs to no threshold
        if not problem.is_defined:
            continue
        recall = np.array([point["recall"] for point in points])
        for share in np.linspace(0, 1, POINTS):
            at = points[int(np.searchsorted(recall, share - 1e-12))]
            rows.append({"class": problem.name, "recall": float(share), "precision": at["precision"]})
    return rows


def reliability_rows(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> Table:
    """Accuracy against confidence in bins, before and after calibration, with a Wilson interval of each accuracy.

    Args:
        truth: N class indices.
        before: N x classes, uncalibrated probabilities.
        after: N x classes, calibrated probabilities.
    """
    rows: Table = []
    for name, probabilities in (("before", before), ("after", after)):
        for one in reliability(truth, probabilities):
            images = int(one["images"])
            limits = wilson(round(one["accuracy"] * images), images) or {}
            shown = {"confidence": one["confidence"], "accuracy": one["accuracy"], **limits, "images": images}
            rows.append({"temperature": name, **shown})
    return rows


def net_benefit_rows(problem: BinaryProblem | None) -> Table:
    """Net benefit by threshold probability of three strategies: act as the model says, on all images, on none.

    Args:
        problem: abnormal against normal; no rows for None, or if all images are abnormal or all are normal.
    """
    if problem is None:
        return []
    points = decision_curve_rows(problem.scores, problem.positive)
    if not problem.is_defined:
        return []
    return [
        {"strategy": name, "threshold": point["threshold"], "net_benefit": value}
        for name in ("model", "all", "none")
        for point in points
        for value in [point.get(name, 0.0)]
    ]


def thinned_coverage_rows(truth: np.ndarray, calibrated: np.ndarray, confidence_threshold: np.ndarray) -> Table:
    """Accuracy of the most confident images by coverage: about one point per hundredth, and the chosen point.

    Args:
        truth: N class indices.
        calibrated: N x classes.
        confidence_threshold: N thresholds, each chosen on validation images for the network that tested the image;
            inf if no threshold reached the wanted error.

    Returns:
        Rows with `chosen` 0, then one with `chosen` 1, whose `threshold` is the lowest of all networks. It is missing
        if no image reaches its threshold.
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
