"""Model cards (Mitchell 2019, arXiv:1810.03993) and data cards (Gebru 2021, arXiv:1803.09010), as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cytopipe.io import tables
from cytopipe.params import SPLITS, PhantomSource
from cytopipe.report.provenance import weight_hashes
from cytopipe.report.render import card, limits, markdown_name, number, percent
from cytopipe.report.views import ClassifierView, DatasetView, SegmenterView

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auc": "AUC, one against the rest",
}
ERRORS = {"ece": "expected calibration error", "brier": "Brier score", "log_loss": "log loss, nats"}
FEW_GROUPS = 20  # below which an interval over groups is itself uncertain


def model_card(view: ClassifierView, dataset: DatasetView) -> str:
    """The card of a classifier."""
    one = view.results
    metrics, summary = one.metrics, one.summary
    interval = metrics.get("interval") or {}
    rows = [(name, number(metrics[key]), limits(interval.get(key))) for key, name in METRICS.items()]
    calibration = metrics.get("calibration")
    return card(
        "model_card.md.j2",
        view=view,
        one=one,
        dataset=dataset,
        metrics=_table(("metric", "value", "95 % interval"), rows),
        classes=_table(("class", "precision", "recall", "F1", "test images"), _classes(summary["per_class"])),
        calibration=_calibration(calibration) if calibration else "",
        operating=_operating(metrics.get("operating_points") or ()),
        limits=classifier_limits(view, dataset),
        weights=weight_hashes(one.files.model),
    )


def segmenter_card(view: SegmenterView) -> str:
    """The card of a segmenter."""
    one = view.results
    interval = one.metrics.get("interval") or {}
    names = [name for name in one.metrics if isinstance(one.metrics[name], float | None)]
    rows = [
        (name.replace("_", " "), number(one.metrics[name]), limits(interval.get(name)))
        for name in names
        if one.metrics[name] is not None
    ]
    return card(
        "segmenter_card.md.j2",
        one=one,
        metrics=_table(("metric", "mean", "95 % interval"), rows) if rows else "",
        weights=weight_hashes(one.files.model),
    )


def dataset_card(view: DatasetView) -> str:
    """The card of a dataset."""
    summary = view.results.summary
    rows = [
        (markdown_name(label), *(str(summary["counts"].get(split, {}).get(label, 0)) for split in SPLITS))
        for label in view.results.classes
    ]
    groups = ("groups", *(str(summary["groups"].get(split, 0)) for split in SPLITS))
    return card(
        "data_card.md.j2",
        view=view,
        one=view.results,
        summary=summary,
        counts=_table(("class", *SPLITS), [*rows, groups]),
    )


def classifier_limits(view: ClassifierView, dataset: DatasetView) -> list[str]:
    """What a reader must know before trusting the numbers, as sentences."""
    metrics, found = view.results.metrics, []
    if isinstance(dataset.results.config.source, PhantomSource):
        found.append("Trained and tested on drawn phantoms: the numbers say nothing about real cells.")
    groups = metrics.get("groups")
    if groups is not None and groups < FEW_GROUPS:
        found.append(f"The test images are of {groups} groups: the intervals are rough.")
    elif groups is not None:
        found.append(f"The test images are of {groups} groups of one source: other laboratories are not tested.")
    never = [label for label, one in view.results.summary["per_class"].items() if not _predicted(view, label)]
    if never:
        found.append(f"Never predicted: {', '.join(map(markdown_name, never))}.")
    if any(metrics[key] is None for key in METRICS):
        found.append("Some metrics are not defined on this test set, and are left empty.")
    return [*found, *audit_warnings(dataset)]


def audit_warnings(dataset: DatasetView) -> list[str]:
    """What the audit of the data says against the numbers."""
    if dataset.audit.verdict == "off":
        return ["The data were not audited."]
    return [
        f"Audit {dataset.audit.level}, {finding.verdict}: {markdown_name(finding.title)}"
        for finding in dataset.audit.alarms
    ]


def _predicted(view: ClassifierView, label: str) -> int:
    return sum(cell.count for row in view.matrix for cell in row if cell.predicted == label)


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (markdown_name(label), number(one["precision"]), number(one["recall"]), number(one["f1"]), str(one["images"]))
        for label, one in per_class.items()
    ]


def _calibration(calibration: Mapping[str, Any]) -> str:
    def cell(when: str, key: str) -> str:
        interval = (calibration[when].get("interval") or {}).get(key)
        value = number(calibration[when][key])
        return f"{value} ({limits(interval)})" if interval else value

    rows = [(name, cell("before", key), cell("after", key)) for key, name in ERRORS.items()]
    return _table(("", "before", "after"), rows)


def _operating(points: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (
            percent(point["wanted_specificity"]),
            f"{number(point['sensitivity'])} ({limits(point.get('sensitivity_interval'))})",
            f"{number(point['specificity'])} ({limits(point.get('specificity_interval'))})",
        )
        for point in points
    ]
    return _table(("specificity wanted on validation", "sensitivity, test", "specificity, test"), rows) if rows else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return tables.markdown(header, [[cell.replace("\\|", "|") for cell in row] for row in rows])
