"""Every metric that is shown, ranked, gated or stored: one entry each, over which all of these loop.

To add a metric of classifiers, write its function and one entry here: it then stands in details.json with its
interval, in the leaderboard, the gate, the model card, the report and the tables of the docs. A metric of segmenters
or screenings needs an entry, and its number where `source` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cytopipe.metrics import scores

Task = Literal["classification", "segmentation", "screening"]
Direction = Literal["higher", "lower"]
Score = Callable[[np.ndarray, np.ndarray], float | None]

TASKS: dict[str, Task] = {  # by the folder below results/
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
        task: whose models it judges.
        function: of N class indices and N x classes probabilities; None where the metric is only got from details.
        source: where details.json holds it, with dots; by default `metrics.<key>`.
        short: its name where space is scarce; by default the title.
        column: its name in metrics.json, shared with other tasks where it means the same; empty: it is not there.
        ranked: whether it is a column of the leaderboard.
        gated: whether the gate compares it unless told otherwise.
        direction: which way is better.
        tolerance: the loss that the gate accepts unless told otherwise, absolute.
        digits: decimals for people.
        unit: for people.
        signed: whether its sign is shown.
        hidden: whether the report leaves it to details.json and the card.
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
    tolerance: float = 0.02
    digits: int = 3
    unit: str = ""
    signed: bool = False
    hidden: bool = False

    @property
    def place(self) -> str:
        """Where details.json holds it, with dots."""
        return self.source or f"metrics.{self.key}"

    @property
    def name(self) -> str:
        """Its name where space is scarce."""
        return self.short or self.title

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1, so that it can be drawn on such an axis."""
        return not self.unit


def _of_part(part: str, title: str) -> tuple[Metric, ...]:
    task: Task = "segmentation"
    dice = Metric(f"dice_{part}", f"Dice of {title}", task, gated=True, column="dice" if part == "cell" else "")
    return (
        dice,
        Metric(f"iou_{part}", f"IoU of {title}", task, hidden=True),
        Metric(f"pixel_accuracy_{part}", f"pixel accuracy of {title}", task, hidden=True),
        Metric(
            f"hd95_{part}",
            f"95 % Hausdorff distance of {title}",
            task,
            direction="lower",
            tolerance=0.5,
            digits=1,
            unit="px",
        ),
    )


def _of_calibration(key: str, title: str, short: str = "", column: str = "") -> Metric:
    source = f"calibration.after.{key}"
    return Metric(key, title, "classification", source=source, short=short, column=column, direction="lower")


def _of_screening(key: str, title: str, source: str, column: str = "") -> Metric:
    return Metric(key, title, "screening", source=source, column=column)


def _of_count(key: str, title: str, column: str = "", signed: bool = False) -> Metric:
    source = f"count.{key}"
    return Metric(
        f"count_{key}",
        title,
        "screening",
        source=source,
        column=column,
        direction="lower",
        tolerance=0.5,
        digits=2,
        unit="cells",
        signed=signed,
    )


# The first of each task leads: its interval stands in metrics.json, and the leaderboard ranks by it.
METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "accuracy", "classification", scores.accuracy, column="accuracy", ranked=True, gated=True),
    Metric("balanced_accuracy", "balanced accuracy", "classification", scores.balanced_accuracy, gated=True),
    Metric("macro_f1", "macro F1", "classification", scores.macro_f1, column="f1", ranked=True, gated=True),
    Metric(
        "auc",
        "AUC, one against the rest",
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
    _of_screening("boxes_f1", "F1 of found cells, boxes", "boxes.f1", column="f1"),
    _of_screening("boxes_precision", "precision, boxes", "boxes.precision"),
    _of_screening("boxes_recall", "recall, boxes", "boxes.recall"),
    _of_screening("contours_f1", "F1 of found cells, outlines", "contours.f1"),
    _of_screening("contours_precision", "precision, outlines", "contours.precision"),
    _of_screening("contours_recall", "recall, outlines", "contours.recall"),
    _of_screening("contours_mean_iou", "mean IoU of found outlines", "contours.mean_iou"),
    _of_screening("class_accuracy", "class right, of found cells", "naming.accuracy", column="accuracy"),
    _of_screening("named_f1", "F1 of cells found and rightly named", "naming.f1"),
    _of_count("mean_absolute_error", "error of the count, mean a field", column="mae"),
    _of_count("mean_error", "the same with its sign", signed=True),
)


def of_task(task: Task) -> list[Metric]:
    """The metrics of a task; the first one leads."""
    return [one for one in METRICS if one.task == task]


def measured_metrics() -> list[Metric]:
    """Those of a classifier that are functions of its predictions."""
    return [one for one in of_task("classification") if one.function]


def calibration_metrics() -> list[Metric]:
    """The errors of a classifier's probabilities, which are measured before and after calibration."""
    return [one for one in of_task("classification") if one.source.startswith("calibration.")]


def shown(task: Task) -> list[Metric]:
    """What the report shows."""
    return [one for one in of_task(task) if not one.hidden]


def ranked() -> list[Metric]:
    """The columns of the leaderboard."""
    return [one for one in of_task("classification") if one.ranked]


def gated(task: Task) -> list[Metric]:
    """What the gate compares unless told otherwise."""
    return [one for one in of_task(task) if one.gated]


def displayed(task: Task) -> list[Metric]:
    """The columns of metrics.json."""
    return [one for one in of_task(task) if one.column]


def find(key: str) -> Metric | None:
    """The metric of a key."""
    return next((one for one in METRICS if one.key == key), None)
