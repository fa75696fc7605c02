"""Model cards (Mitchell 2019, arXiv:1810.03993) and data cards (Gebru 2021, arXiv:1803.09010), as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cytopipe.core.io import tables
from cytopipe.core.params import SPLITS, PhantomSource
from cytopipe.metrics.registry import Metric, calibration_metrics, find, measured_metrics, of_task
from cytopipe.models.members import is_usable, spec_of
from cytopipe.report.patients import patients_of_card
from cytopipe.report.read import ExternalResults, weight_hashes
from cytopipe.report.render import card, interval, limits, markdown_name, number, percent, signed
from cytopipe.report.subgroups import subgroups_card
from cytopipe.report.views import ClassifierView, DatasetView, SegmenterView
from cytopipe.results.classifier import Calibration, ClassScores, OperatingPoint
from cytopipe.results.numbers import Estimate
from cytopipe.results.segmenter import SegmenterDetails

FEW_GROUPS = 20  # with fewer groups, an interval over groups is itself uncertain


def model_card(view: ClassifierView, dataset: DatasetView, externals: Sequence[ExternalResults] = ()) -> str:
    """The model card of a classifier, as Markdown, with its evaluations in other laboratories."""
    one = view.results
    details = one.details
    rows = [
        (
            metric.title,
            number(details.metrics[metric.key].value),
            interval(details.metrics[metric.key]),
        )
        for metric in measured_metrics()
    ]
    return card(
        "model_card.md.j2",
        view=view,
        one=one,
        dataset=dataset,
        metrics=_table(("metric", "value", "95 % interval"), rows) + _definitions(measured_metrics()),
        classes=_table(("class", "precision", "recall", "F1", "test images"), _classes(details.per_class)),
        calibration=_calibration(details.calibration),
        operating=_operating(details.operating_points),
        subgroups=subgroups_card(one.name),
        elsewhere=_elsewhere(externals, ("accuracy", "balanced_accuracy", "log_loss")),
        limits=classifier_limits(view, dataset, bool(externals)),
        patients=patients_of_card(one.patients, _table),
        weights=weight_hashes(one.files.model),
        devices=spec_of(one.files.model).devices if is_usable(one.files.model) else None,
    )


def segmenter_card(view: SegmenterView, externals: Sequence[ExternalResults] = ()) -> str:
    """The model card of a segmenter, as Markdown, with its evaluations in other laboratories."""
    one = view.results
    rows = [
        (
            metric.title,
            f"{number(found.value, metric.digits)} {metric.unit}".strip(),
            interval(found, metric.digits),
        )
        for metric in of_task("segmentation")
        if (found := one.details.metrics[metric.key]).value is not None
    ]
    return card(
        "segmenter_card.md.j2",
        one=one,
        metrics=_table(("metric", "mean", "95 % interval"), rows) + _definitions(of_task("segmentation"))
        if rows
        else "",
        subgroups=_segmenter_subgroups(one.details),
        elsewhere=_elsewhere(externals, ("dice_cell", "dice_nucleus")),
        weights=weight_hashes(one.files.model),
    )


def _segmenter_subgroups(details: SegmenterDetails) -> str:
    leading = of_task("segmentation")[0]
    rows = [
        (
            markdown_name(f"{part.attribute}: {part.value}"),
            number(part.metrics[leading.key].value),
            interval(part.metrics[leading.key]),
            str(part.images),
            str(part.groups),
        )
        for part in details.subgroups
    ]
    return _table(("subgroup", leading.title, "95 % interval", "test images", "groups"), rows) if rows else ""


def dataset_card(view: DatasetView) -> str:
    """The data card of a dataset, as Markdown."""
    summary = view.results.summary
    rows = [
        (markdown_name(label), *(str(summary.counts.get(split, {}).get(label, 0)) for split in SPLITS))
        for label in view.results.classes
    ]
    groups = ("groups", *(str(summary.groups.get(split, 0)) for split in SPLITS))
    return card(
        "data_card.md.j2",
        view=view,
        one=view.results,
        summary=summary,
        counts=_table(("class", *SPLITS), [*rows, groups]),
    )


def classifier_limits(view: ClassifierView, dataset: DatasetView, elsewhere: bool = False) -> list[str]:
    """Limits and warnings that a reader should know before trusting the numbers, one sentence each."""
    details, found = view.results.details, []
    if isinstance(dataset.results.config.source, PhantomSource):
        found.append("Trained and tested on drawn phantoms: the numbers say nothing about real cells.")
    groups = details.groups
    if groups < FEW_GROUPS:
        found.append(f"The test images come from {groups} groups only: the intervals are rough.")
    elif not elsewhere:
        found.append(
            f"The test images come from {groups} groups of one source: images of other laboratories were not tested."
        )
    corrected = dataset.results.summary.corrections
    if corrected and details.folds and (corrected.relabelled or corrected.left_out):
        found.append(
            f"A cross-validation tests every image, and {corrected.relabelled} labels were corrected and "
            f"{corrected.left_out} images left out: its numbers are not comparable with those before."
        )
    never = [label for label in details.per_class if not _predicted(view, label)]
    if never:
        found.append(f"Never predicted: {', '.join(map(markdown_name, never))}.")
    if any(details.metrics[metric.key].value is None for metric in measured_metrics()):
        found.append("Some metrics are not defined on this test set and are left empty.")
    return [*found, *audit_warnings(dataset)]


def audit_warnings(dataset: DatasetView) -> list[str]:
    """Failed checks and warnings of the audit of the dataset."""
    if dataset.audit.verdict == "off":
        return ["The dataset was not audited."]
    return [
        f"Audit {dataset.audit.level}, {finding.verdict}: {markdown_name(finding.title)}"
        for finding in dataset.audit.alarms
    ]


def _predicted(view: ClassifierView, label: str) -> int:
    return sum(cell.count for row in view.matrix for cell in row if cell.predicted == label)


def _classes(per_class: Mapping[str, ClassScores]) -> list[tuple[str, ...]]:
    return [
        (
            markdown_name(label),
            number(one.precision.value),
            number(one.recall.value),
            number(one.f1.value),
            str(one.images),
        )
        for label, one in per_class.items()
    ]


def _calibration(found: Calibration) -> str:
    def cell(one: Estimate) -> str:
        return number(one.value) if one.value is None else f"{number(one.value)} ({interval(one)})"

    rows = [
        (metric.title, cell(found.before[metric.key]), cell(found.after[metric.key]))
        for metric in calibration_metrics()
    ]
    return _table(("", "before", "after"), rows) + _definitions(calibration_metrics())


def _operating(points: Sequence[OperatingPoint]) -> str:
    rows = [
        (
            percent(point.wanted_specificity),
            f"{number(point.sensitivity.value)} ({limits(point.sensitivity)})",
            f"{number(point.specificity.value)} ({limits(point.specificity)})",
        )
        for point in points
    ]
    return _table(("specificity wanted on validation", "sensitivity, test", "specificity, test"), rows) if rows else ""


def _elsewhere(externals: Sequence[ExternalResults], keys: Sequence[str]) -> str:
    """A table of the evaluations in other laboratories, a row for each and metric; empty without any."""
    rows = []
    for one in externals:
        for key in keys:
            metric, drop = find(key), one.details.metrics[key]
            there = f"{number(drop.there.value)} ({interval(drop.there)})"
            fall = f"{signed(drop.drop.value)} ({interval(drop.drop)})"
            where = f"{markdown_name(one.details.dataset)}, {one.details.images} images"
            rows.append((where, metric.title if metric else key, number(drop.home.value), there, fall))
    return _table(("dataset", "metric", "internal test", "there", "drop"), rows) if rows else ""


def _definitions(metrics: Sequence[Metric]) -> str:
    """What each number is, as a list below its table."""
    return "\n" + "".join(f"- {metric.title}: {metric.definition}.\n" for metric in metrics)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return tables.markdown(header, [[cell.replace("\\|", "|") for cell in row] for row in rows])
