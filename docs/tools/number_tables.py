"""Write the tables of docs/clinical.md: what each number is, from the registry of metrics, and when it is withheld.

The words of the second table are those that the library gives for small examples of each case.

python docs/tools/number_tables.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.undefined_metrics import NO_QUESTION, undefined_metrics
from cytopipe.metrics.clusters import LEAST_GROUPS, LeftOut
from cytopipe.metrics.intervals import METHODS, Measured, Scale, measured
from cytopipe.metrics.registry import NO_INTERVAL, TASKS, Metric, of_task
from cytopipe.results.model_spec import DecisionRule, Threshold
from result_tables import between

PAGE = Path("docs/clinical.md")
HEADER = ("number", "what it is", "95 % interval", "key")
PATIENTS = "**Classifiers with `patients:`**, per group (patient, slide), in the same file:"
TITLES = {"classifiers": "Classifiers", "segmenters": "Segmenters", "screenings": "Screenings of whole fields"}


def numbers() -> str:
    """One table for each kind of model, with a row for each metric of the registry."""
    parts = []
    for folder, task in TASKS.items():
        title = f"**{TITLES[folder]}**, in `results/{folder}/NAME/details.json`:"
        parts += [title, markdown(HEADER, map(_row, of_task(task)))]
        if task == "classification":
            parts += [PATIENTS, markdown(HEADER, map(_row, of_task("patients")))]
    return "\n".join(f"{part}\n" if part.startswith("**") else part for part in parts)


def _row(metric: Metric) -> tuple[str, ...]:
    unit = f", {metric.unit}" if metric.unit else ""
    better = {"higher": "higher is better", "lower": "lower is better"}[metric.direction]
    told = metric.definition if metric.signed else f"{metric.definition}; {better}"
    how = metric.interval or (METHODS[metric.scale].partition(",")[0] if metric.scale else "none")
    return f"{metric.title}{unit}", told, how, f"`{metric.place}`"


def withheld() -> str:
    """One row for each case, with the words that stand in the results."""
    return markdown(("case", "what becomes of the number", "its words"), cases())


def cases() -> Iterator[tuple[str, str, str]]:
    """Each case: when, what becomes of the number, and the words that the library gives for an example."""
    few = LEAST_GROUPS - 1
    yield f"under {LEAST_GROUPS} groups that count", "no interval", _words(_left([0.8, 0.9, 0.85, 0.95][:few], 0.875))
    gone = _left([0.9, None, 0.9, 0.8, 0.85, 0.9], 0.9)
    yield (
        "not defined without one of the groups, such as AUC where a class lies in one group",
        "no interval",
        _words(gone),
    )
    yield (
        "a distance or an error that is the same in all groups",
        "no interval",
        _words(_left([2.0] * 6, 2.0), "positive"),
    )
    yield "expected calibration error", "no interval", NO_INTERVAL.removeprefix("none: ")
    whole = measured(_left([1.0] * 6, 1.0))
    yield (
        "a share of exactly 0 or 1",
        "an exact limit (Clopper and Pearson)",
        f"{whole.low:.3f} to {whole.high:.0f} for 60 images of 6 groups",
    )
    yield "a class without test images", "no number: AUC, recall", _undefined([0, 0, 0], [0, 0, 1])["auc"]
    yield "a class that is never predicted", "no number: precision", _undefined([0, 1, 1], [0, 0, 0])["precision"]
    yield (
        "no answer above the confidence threshold",
        "no number: its error",
        _undefined([0, 1], [0, 1])["selective.error"],
    )
    yield "no class counts as normal", "no number: sensitivity, specificity", NO_QUESTION.replace("\n", " ")
    yield (
        "all test images normal, or all abnormal",
        "no number: sensitivity, specificity",
        _undefined([0, 0], [0, 0])["operating_points"],
    )
    missing = _undefined([0, 1], [0, 1], thresholds=False)["operating_points"]
    yield "no normal validation image", "no number: sensitivity, specificity", missing


def _left(without: Sequence[float | None], value: float) -> LeftOut:
    return LeftOut(value, tuple(without), np.full(len(without), 10.0))


def _words(left: LeftOut, scale: Scale = "share") -> str:
    found: Measured = measured(left, scale)
    assert found.withheld
    return found.withheld


def _undefined(truth: Sequence[int], predicted: Sequence[int], thresholds: bool = True) -> dict[str, str]:
    rule = DecisionRule(
        temperature=1,
        abnormal=("abnormal",),
        thresholds=(Threshold(specificity=0.9, score=0.5),) if thresholds else (),
    )
    groups = [str(place) for place in range(len(truth))]
    return undefined_metrics(np.array(truth), np.array(predicted), groups, ("normal", "abnormal"), [rule], None)


def page(text: str) -> str:
    """The page with both tables.

    Raises:
        CytopipeError: if the page lacks a marker.
    """
    return between(between(text, "numbers", numbers()), "withheld", withheld())


if __name__ == "__main__":
    try:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
    except CytopipeError as error:
        sys.exit(f"error: {error}")
    print(PAGE)
