"""The registry of metrics: evaluation, leaderboard, gate, cards, report and docs loop over its entries.

To add a metric of classifiers, write its function and one entry here. It then appears in details.json with its
interval, in the model card, the report and, depending on its fields, in the leaderboard, the gate and metrics.json. A
metric of segmenters or screenings needs an entry, and its value at the place in details.json that `source` names.
"""

from __future__ import annotations

from cytopipe.metrics import scores
from cytopipe.metrics.intervals import Scale
from cytopipe.metrics.metric import NO_INTERVAL as NO_INTERVAL
from cytopipe.metrics.metric import Metric as Metric
from cytopipe.metrics.metric import Task as Task

TASKS: dict[str, Task] = {  # by folder in results/
    "classifiers": "classification",
    "segmenters": "segmentation",
    "screenings": "screening",
}
PARTS: dict[Task, tuple[Task, ...]] = {"classification": ("classification", "patients")}  # of a model's results


def _of_part(part: str, title: str) -> tuple[Metric, ...]:
    task: Task = "segmentation"
    dice = Metric(
        f"dice_{part}",
        f"Dice of {title}",
        task,
        "mean over images of twice the common area by the sum of both areas; 1 if both are empty",
        gated=True,
        column="dice" if part == "cell" else "",
    )
    return (
        dice,
        Metric(
            f"iou_{part}",
            f"IoU of {title}",
            task,
            "mean over images of the common area by the area of the union",
            gated=True,
            hidden=True,
        ),
        Metric(f"pixel_accuracy_{part}", f"pixel accuracy of {title}", task, "mean share of right pixels", hidden=True),
        Metric(
            f"hd95_{part}",
            f"95 % Hausdorff distance of {title}",
            task,
            "mean over images of the 95th percentile of distances between outlines, the larger of both directions",
            scale="positive",
            gated=True,
            direction="lower",
            tolerance=0.5,
            digits=1,
            unit="px",
        ),
    )


def _of_calibration(
    key: str, title: str, definition: str, scale: Scale | None = "positive", short: str = "", column: str = ""
) -> Metric:
    source = f"calibration.after.{key}"
    return Metric(
        key,
        title,
        "classification",
        definition,
        scale,
        source=source,
        short=short,
        column=column,
        gated=True,
        direction="lower",
    )


def _of_patients(key: str, title: str, definition: str, interval: str) -> Metric:
    name, source = f"patient_{key}", f"patients.{key}"
    # One patient of twenty is a twentieth: hardly any loss of a share of patients is more than one changed answer.
    return Metric(
        name, title, "patients", definition, interval=interval, source=source, column=name, gated=True, tolerance=0.05
    )


def _of_screening(key: str, title: str, definition: str, source: str, column: str = "") -> Metric:
    return Metric(key, title, "screening", definition, source=source, column=column, gated=True)


def _of_detection(kind: str, one: str, column: str = "") -> tuple[Metric, ...]:
    f1 = f"a cell is found right at an IoU of its {one} of 0.5 or more"
    return (
        _of_screening(f"{kind}_f1", f"F1 of detection, {kind}", f1, f"{kind}.f1", column),
        _of_screening(
            f"{kind}_precision", f"precision of detection, {kind}", "share of found cells right", f"{kind}.precision"
        ),
        _of_screening(
            f"{kind}_recall", f"recall of detection, {kind}", "share of annotated cells found", f"{kind}.recall"
        ),
    )


def _of_count(
    key: str, title: str, definition: str, scale: Scale = "positive", column: str = "", signed: bool = False
) -> Metric:
    source = f"count.{key}"
    return Metric(
        f"count_{key}",
        title,
        "screening",
        definition,
        scale,
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
    Metric(
        "accuracy",
        "accuracy",
        "classification",
        "share of images whose most probable class is the true one",
        function=scores.accuracy,
        column="accuracy",
        ranked=True,
        gated=True,
    ),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        "classification",
        "mean recall of the classes that have images",
        function=scores.balanced_accuracy,
        gated=True,
    ),
    Metric(
        "macro_f1",
        "macro F1",
        "classification",
        "mean F1 of the classes that have images",
        function=scores.macro_f1,
        column="f1",
        ranked=True,
        gated=True,
    ),
    Metric(
        "auc",
        "AUC, one-vs-rest",
        "classification",
        "mean area under the ROC curves of each class against the rest (macro one-vs-rest)",
        function=scores.macro_auc,
        short="AUC",
        column="auc",
        ranked=True,
        gated=True,
    ),
    _of_calibration(
        "ece",
        "expected calibration error",
        "mean difference of confidence and accuracy in 15 bins of equal width; above 0 also for perfect probabilities",
        scale=None,
        column="ece",
    ),
    _of_calibration(
        "brier", "Brier score", "squared error of the probabilities, summed over classes; runs from 0 to 2"
    ),
    _of_calibration(
        "log_loss", "log loss, nats", "mean negative logarithm of the true class's probability", short="log loss"
    ),
    _of_patients(
        "auc",
        "AUC per patient",
        "area under the ROC curve of the answers for groups (patients, slides)",
        "Newcombe 2006, method 5",
    ),
    _of_patients(
        "sensitivity",
        "sensitivity per patient",
        "share of the abnormal groups called abnormal, at the frozen threshold",
        "Wilson",
    ),
    _of_patients(
        "specificity",
        "specificity per patient",
        "share of the normal groups called normal, at the frozen threshold",
        "Wilson",
    ),
    *_of_part("cell", "whole cell"),
    *_of_part("nucleus", "nucleus"),
    *_of_part("cytoplasm", "cytoplasm"),
    *_of_detection("boxes", "box", column="f1"),
    *_of_detection("contours", "contour"),
    _of_screening(
        "contours_mean_iou", "mean IoU of matched contours", "mean overlap of the matches", "contours.mean_iou"
    ),
    _of_screening(
        "class_accuracy",
        "class accuracy of matched cells",
        "share of matched cells with the right class",
        "naming.accuracy",
        column="accuracy",
    ),
    _of_screening(
        "named_f1", "F1 of detection with the right class", "a match with another class counts as wrong", "naming.f1"
    ),
    _of_count("mean_absolute_error", "mean absolute error of the count per field", "without its sign", column="mae"),
    _of_count("mean_error", "mean error of the count per field", "found minus annotated cells", "real", signed=True),
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


def of_model(task: Task) -> list[Metric]:
    """The metrics in the results of a model of this task: for a classifier, those per patient too."""
    return [one for part in PARTS.get(task, (task,)) for one in of_task(part)]


def gated(task: Task) -> list[Metric]:
    """The metrics that the gate compares by default."""
    return [one for one in of_model(task) if one.gated]


def displayed(task: Task) -> list[Metric]:
    """The columns of metrics.json."""
    return [one for one in of_model(task) if one.column]


def methods() -> dict[str, str]:
    """How the interval of each metric of a classifier is made, by key."""
    return {one.key: one.method for one in of_task("classification")}


def find(key: str) -> Metric | None:
    """The metric with this key; None if there is no such metric."""
    return next((one for one in METRICS if one.key == key), None)
