"""The results of a run: metrics with their intervals, and predictions, wherever its files lie."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from cytopipe.errors import CytopipeError

HEADLINE = ("accuracy", "balanced_accuracy", "macro_f1", "auc", "dice_cell", "dice_nucleus", "dice_cytoplasm")


class Files(Protocol):
    """Files of a project: those in its folder, or those of a revision."""

    @property
    def name(self) -> str:
        """What people call the run."""

    def read(self, path: str) -> bytes:
        """The content of a file; `path` is relative to the project's root. FileNotFoundError where it is not."""

    def metrics_files(self) -> list[str]:
        """Sorted paths of results/**/metrics.json."""


@dataclass(frozen=True)
class Folder:
    """The files that lie in a project's folder."""

    root: Path
    name: str = "this run"

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return (self.root / path).read_bytes()

    def metrics_files(self) -> list[str]:
        """Sorted paths of results/**/metrics.json."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("results/**/metrics.json"))


@dataclass(frozen=True)
class Number:
    """A finite metric, and its 95 % interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Change:
    """Now minus before: of all images, and the 95 % interval of bootstrap draws of groups."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Predictions:
    """predictions.csv: N test images, one row each.

    `columns` are all as text: `label` and `p_<class>` of a classifier, the metrics of each image of a segmenter.
    """

    columns: Mapping[str, Sequence[str]]

    @property
    def ids(self) -> Sequence[str]:
        """N ids of images."""
        return self.columns["id"]

    @property
    def groups(self) -> Sequence[str]:
        """N groups."""
        return self.columns["group"]

    @property
    def labels(self) -> Sequence[str] | None:
        """N labels; None for a segmenter."""
        return self.columns.get("label")

    @property
    def classes(self) -> list[str]:
        """Of a classifier, in the order of its probabilities."""
        return [name.removeprefix("p_") for name in self.columns if name.startswith("p_")] if self.labels else []

    def numbers(self, name: str) -> np.ndarray | None:
        """A column as N floats; None where there is none or a value is not finite."""
        try:
            values = np.array(self.columns[name], float)
        except (KeyError, ValueError):
            return None
        return values if np.isfinite(values).all() else None


@dataclass(frozen=True)
class Results:
    """What one classifier or segmenter left: `path` is that of its metrics.json."""

    files: Files
    path: str

    @property
    def kind(self) -> str:
        """`classifiers` or `segmenters`."""
        return PurePosixPath(self.path).parent.parent.name

    @property
    def system(self) -> str:
        """Name in the parameters."""
        return PurePosixPath(self.path).parent.name

    def beside(self, name: str) -> str:
        """Path of another of its files."""
        return str(PurePosixPath(self.path).parent / name)

    def where(self, path: str) -> str:
        """A path for an error message, with the name of the run."""
        return f"{path} of {self.files.name}"

    def number(self, metric: str) -> Number | str:
        """A metric, or, in words, why there is none.

        Args:
            metric: its key; `calibration.after.ece` for a nested one.
        """
        found = self._content
        if isinstance(found, str):
            return found
        *above, last = metric.split(".")
        section: Any = found
        for key in above:
            section = section.get(key) if isinstance(section, Mapping) else None
        if not isinstance(section, Mapping) or last not in section:
            return "no such metric"
        value = section[last]
        if not _finite(value):
            return "not a number"
        intervals = section.get("interval")
        limits = intervals.get(last) if isinstance(intervals, Mapping) else self._of_means.get(metric)
        if isinstance(limits, Mapping) and _finite(limits.get("low")) and _finite(limits.get("high")):
            return Number(float(value), float(limits["low"]), float(limits["high"]))
        return Number(float(value))

    def headline(self) -> dict[str, Number]:
        """The headline metrics that are numbers."""
        found = {metric: self.number(metric) for metric in HEADLINE}
        return {metric: number for metric, number in found.items() if isinstance(number, Number)}

    @cached_property
    def predictions(self) -> Predictions:
        """The predictions of the test images.

        Raises:
            CytopipeError: when there are none, or not of this form.
        """
        path = self.beside("predictions.csv")
        return Predictions(read_columns(self, path, ("id", "group")))

    @cached_property
    def _content(self) -> Mapping[str, Any] | str:
        try:
            content = json.loads(self.files.read(self.path))
        except FileNotFoundError:
            return "no such file"
        except (OSError, ValueError):
            return "unreadable file"
        return content if isinstance(content, Mapping) else "unreadable file"

    @cached_property
    def _of_means(self) -> Mapping[str, Mapping[str, float] | None]:
        """Intervals of a segmenter's metrics, which are means over images."""
        if self.kind != "segmenters":
            return {}
        from cytopipe.metrics.classification import group_draws, interval  # scikit-learn takes a second

        try:
            predictions = self.predictions
        except CytopipeError:
            return {}
        draws = group_draws(predictions.groups)
        columns = {metric: predictions.numbers(metric) for metric in HEADLINE}
        return {
            metric: interval([float(values[rows].mean()) for rows in draws])
            for metric, values in columns.items()
            if values is not None
        }


def read_columns(results: Results, path: str, needed: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """A CSV file of a run as columns.

    Raises:
        CytopipeError: when the file is missing, no table, or without a needed column.
    """
    where = results.where(path)
    try:
        rows = list(csv.reader(io.StringIO(results.files.read(path).decode()), strict=True))
    except FileNotFoundError:
        raise CytopipeError("no such file", where=where, hint="run the pipeline first: dvc repro") from None
    except (OSError, ValueError, csv.Error):
        raise CytopipeError("unreadable file", where=where, hint="run the pipeline again: dvc repro") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise CytopipeError("not a table", where=where, hint="run the pipeline again: dvc repro")
    columns = {name: tuple(row[index] for row in rows[1:]) for index, name in enumerate(rows[0])}
    missing = [name for name in needed if name not in columns]
    if missing:
        raise CytopipeError(f"columns are missing: {', '.join(missing)}", where=where)
    return columns


def _finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # false for NaN; an integer may be too large for a float
