"""Numbers of metrics.json beside those of a record, within the tolerances of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cytopipe.errors import CytopipeError
from cytopipe.metrics.registry import TASKS, Metric, displayed
from cytopipe.results.headline import DECIMALS, Headline
from cytopipe.verify.present import Present, PresentStage
from cytopipe.verify.record import Record

ROUNDING = 10**-DECIMALS  # both numbers are rounded


@dataclass(frozen=True)
class MetricCheck:
    """A number here and in the record; None where there is none, as the metric is not defined."""

    file: str
    metric: str
    here: float | None
    recorded: float | None
    tolerance: float

    @property
    def change(self) -> float | None:
        """Absolute change; None if one of the two is not defined."""
        return None if self.here is None or self.recorded is None else abs(self.here - self.recorded)

    @property
    def passed(self) -> bool:
        """Whether the change is within the tolerance."""
        return self.change is not None and self.change <= self.tolerance + ROUNDING


@dataclass(frozen=True)
class MetricChecks:
    """All numbers that could be compared, and the files of which the record's content is not at hand."""

    checks: tuple[MetricCheck, ...]
    unknown: tuple[str, ...]


def compare_metrics(
    present: Present, record: Record, stages: Mapping[str, PresentStage], tolerance: float | None = None
) -> MetricChecks:
    """Compare the metrics of some stages; the record's come from DVC's cache or from its own file.

    Args:
        present: the project.
        record: the record.
        stages: stages that both have, by label.
        tolerance: accepted absolute change; by default that of each metric in the registry.
    """
    checks: list[MetricCheck] = []
    unknown: list[str] = []
    for label, stage in stages.items():
        for path in stage.metrics:
            recorded = _recorded(present, record, label, path)
            if recorded is None:
                unknown.append(path)
            else:
                checks += _of_file(path, Headline.read(present.root / path).root, recorded, tolerance)
    return MetricChecks(tuple(checks), tuple(unknown))


def _recorded(present: Present, record: Record, label: str, path: str) -> Mapping[str, float] | None:
    stage = record.stages[label]
    if path in stage.metrics:
        return stage.metrics[path]
    content = present.cached(stage.outputs[path]) if path in stage.outputs else None
    try:
        return None if content is None else Headline.parse(content, path).root
    except CytopipeError:  # a revision that wrote another format
        return None


def _columns(folder: str) -> dict[str, Metric]:
    """The metrics in metrics.json of a folder in results/, by column; evaluations elsewhere are of several tasks."""
    tasks = [TASKS[folder]] if folder in TASKS else [*TASKS.values()]
    return {metric.column: metric for task in reversed(tasks) for metric in displayed(task)}


def _of_file(
    path: str, here: Mapping[str, float], recorded: Mapping[str, float], tolerance: float | None
) -> Iterator[MetricCheck]:
    """The metrics of one file; the ends of intervals, which are in the same file, are none."""
    for name, metric in _columns(PurePosixPath(path).parent.parent.name).items():
        if name in here or name in recorded:
            accepted = metric.tolerance if tolerance is None else tolerance
            yield MetricCheck(path, name, here.get(name), recorded.get(name), accepted)
