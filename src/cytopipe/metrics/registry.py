"""The registry of metrics: evaluation, leaderboard, gate, cards, report and docs loop over its entries.

To add a metric of classifiers, write its function and one entry here. It then appears in details.json with its
interval, in the model card, the report and, depending on its fields, in the leaderboard, the gate and metrics.json. A
metric of segmenters or screenings needs an entry, and its value at the place in details.json that `source` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cytopipe.core.pipeline.processor import TOLERANCE
from cytopipe.metrics import scores

Task = Literal["classification", "segmentation", "screening"]
Direction = Literal["higher", "lower"]
Score = Callable[[np.ndarray, np.ndarray], float | None]

TASKS: dict[str, Task] = {  # by folder in results/
    "classifiers": "classification",
    "segmenters": "segmentation",
    "screenings": "screening",
}


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: its name in results, baselines and MLflow.
        title: its name for people.
        task: task of the models that it measures.
        function: computes it from N class indices and N x classes probabilities; None if it is only read from details.
        source: dotted path in details.json; by default `metrics.<key>`.
        short: short name, for narrow columns; by default the title.
        column: its name in metrics.json, shared by tasks for which it means the same; empty: not in metrics.json.
        ranked: whether it is a column of the leaderboard.
        gated: whether the gate compares it by default.
        direction: whether higher or lower values are better.
        tolerance: absolute loss that the gate accepts by default, and difference between machines of another kind.
        digits: number of decimals in reports.
        unit: unit in reports; empty for a number between 0 and 1.
        signed: whether a report shows its sign.
        hidden: whether it is in details.json and the card only, not in the report.
    """

    key: str
    title: str
    task: Task
    function: Score | None = None
    source: str = ""
    short: str = ""
    column: str = ""
    ranked: bool = False
    gated: bool = False
    direction: Direction = "higher"
    tolerance: float = TOLERANCE
    digits: int = 3
    unit: str = ""
    signed: bool = False
    hidden: bool = False

    @property
    def place(self) -> str:
        """Dotted path in details.json."""
        return self.source or f"metrics.{self.key}"

    @property
    def name(self) -> str:
        """Short name, for narrow columns."""
        return self.short or self.title

    @property
    def is_share(self) -> bool:
        """Whether it is between 0 and 1 and can be drawn on such an axis."""
        return not self.unit

    @property
    def margin(self) -> float:
        """Absolute loss that the gate refuses whatever the noise: five times the default tolerance."""
        return 5 * self.tolerance

    @property
    def collapse(self) -> float:
        """Absolute loss of one group from which it has collapsed: half of what can be lost, for a share."""
        return 5 * self.margin


def _of_part(part: str, title: str) -> tuple[Metric, ...]:
    task: Task = "segmentation"
    dice = Metric(f"dice_{part}", f"Dice of {title}", task, gated=True, column="dice" if part == "cell" else "")
    return (
        dice,
        Metric(f"iou_{part}", f"IoU of {title}", task, gated=True, hidden=True),
        Metric(f"pixel_accuracy_{part}", f"pixel accuracy of {title}", task, hidden=True),
        Metric(
            f"hd95_{part}",
            f"95 % Hausdorff distance of {title}",
            task,
            gated=True,
            direction="lower",
            tolerance=0.5,
            digits=1,
            unit="px",
        ),
    )


def _of_calibration(key: str, title: str, short: str = "", column: str = "") -> Metric:
    source = f"calibration.after.{key}"
    return Metric(
        key, title, "classification", source=source, short=short, column=column, gated=True, direction="lower"
    )


def _of_screening(key: str, title: str, source: str, column: str = "") -> Metric:
    return Metric(key, title, "screening", source=source, column=column, gated=True)


def _of_count(key: str, title: str, column: str = "", signed: bool = False) -> Metric:
    source = f"count.{key}"
    return Metric(
        f"count_{key}",
        title,
        "screening",
        source=source,
        column=column,
        gated=not signed,
        direction="lower",
        tolerance=0.5,
        digits=2,
        unit="cells",
        signed=signed,
    )


# The first metric of each task is its leading metric: its interval is in metrics.json, and the leaderboard ranks by it.
METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "accuracy", "classification", scores.accuracy, column="accuracy", ranked=True, gated=True),
    Metric("balanced_accuracy", "balanced accuracy", "classification", scores.balanced_accuracy, gated=True),
    Metric("macro_f1", "macro F1", "classification", scores.macro_f1, column="f1", ranked=True, gated=True),
    Metric(
        "auc",
        "AUC, one-vs-rest",
        "classification",
        scores.macro_auc,
        short="AUC",
        column="auc",
        ranked=True,
        gated=True,
    ),
    _of_calibration("ece", "expected calibration error", column="ece"),
    _of_calibration("brier", "Brier score"),
    _of_calibration("log_loss", "log loss, nats", short="log loss"),
    *_of_part("cell", "whole cell"),
    *_of_part("nucleus", "nucleus"),
    *_of_part("cytoplasm", "cytoplasm"),
    _of_screening("boxes_f1", "F1 of detection, boxes", "boxes.f1", column="f1"),
    _of_screening("boxes_precision", "precision of detection, boxes", "boxes.precision"),
    _of_screening("boxes_recall", "recall of detection, boxes", "boxes.recall"),
    _of_screening("contours_f1", "F1 of detection, contours", "contours.f1"),
    _of_screening("contours_precision", "precision of detection, contours", "contours.precision"),
    _of_screening("contours_recall", "recall of detection, contours", "contours.recall"),
    _of_screening("contours_mean_iou", "mean IoU of matched contours", "contours.mean_iou"),
    _of_screening("class_accuracy", "class accuracy of matched cells", "naming.accuracy", column="accuracy"),
    _of_screening("named_f1", "F1 of detection with the right class", "naming.f1"),
    _of_count("mean_absolute_error", "mean absolute error of the count per field", column="mae"),
    _of_count("mean_error", "mean error of the count per field", signed=True),
)


def of_task(task: Task) -> list[Metric]:
    """The metrics of a task; the first is its leading metric."""
    return [one for one in METRICS if one.task == task]


def measured_metrics() -> list[Metric]:
    """The metrics of a classifier that are computed from its predictions."""
    return [one for one in of_task("classification") if one.function]


def calibration_metrics() -> list[Metric]:
    """The errors of a classifier's probabilities, which are measured before and after calibration."""
    return [one for one in of_task("classification") if one.source.startswith("calibration.")]


def shown(task: Task) -> list[Metric]:
    """The metrics that the report shows."""
    return [one for one in of_task(task) if not one.hidden]


def ranked() -> list[Metric]:
    """The columns of the leaderboard."""
    return [one for one in of_task("classification") if one.ranked]


def gated(task: Task) -> list[Metric]:
    """The metrics that the gate compares by default."""
    return [one for one in of_task(task) if one.gated]


def displayed(task: Task) -> list[Metric]:
    """The columns of metrics.json."""
    return [one for one in of_task(task) if one.column]


def find(key: str) -> Metric | None:
    """The metric with this key; None if there is no such metric."""
    return next((one for one in METRICS if one.key == key), None)
