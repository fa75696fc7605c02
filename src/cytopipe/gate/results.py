"""The results of a run: metrics with their intervals, and predictions, wherever its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from cytopipe.errors import CytopipeError
from cytopipe.metrics.registry import TASKS, Task, find, gated
from cytopipe.results.contract import BROKEN
from cytopipe.results.details import DETAILS, Details, estimate_at
from cytopipe.results.predictions import Predictions
from cytopipe.results.segmenter import SegmenterPredictions


class Files(Protocol):
    """Files of a project: those in its folder, or those of a revision."""

    @property
    def name(self) -> str:
        """What people call the run."""

    def read(self, path: str) -> bytes:
        """The content of a file; `path` is relative to the project's root. FileNotFoundError where it is not."""

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""


@dataclass(frozen=True)
class Folder:
    """The files that lie in a project's folder."""

    root: Path
    name: str = "this run"

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return (self.root / path).read_bytes()

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("results/**/details.json"))


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
class Results:
    """The results of one classifier, segmenter or screening: `path` is that of its details.json."""

    files: Files
    path: str

    @property
    def kind(self) -> str:
        """`classifiers`, `segmenters` or `screenings`."""
        return PurePosixPath(self.path).parent.parent.name

    @property
    def task(self) -> Task:
        """Of the model.

        Raises:
            CytopipeError: when the path is of no model.
        """
        if self.kind not in TASKS:
            raise CytopipeError(f"'{self.kind}' is no kind of model", where=self.where(self.path))
        return TASKS[self.kind]

    def beside(self, name: str) -> str:
        """Path of another of its files."""
        return str(PurePosixPath(self.path).parent / name)

    def where(self, path: str) -> str:
        """A path for an error message, with the name of the run."""
        return f"{path} of {self.files.name}"

    def number(self, key: str) -> Number | str:
        """A metric, or, in words, why there is none.

        Args:
            key: of the registry, or a place in details.json with dots.
        """
        try:
            details = self.details
        except FileNotFoundError:
            return "no such file"
        except (OSError, CytopipeError):
            return "unreadable file"
        metric = find(key)
        found = estimate_at(details, metric.place if metric else key)
        if found is None:
            return "no such metric"
        return "not a number" if found.value is None else Number(found.value, found.low, found.high)

    def headline(self) -> dict[str, Number]:
        """The gated metrics that are numbers."""
        found = {metric.key: self.number(metric.key) for metric in gated(self.task)}
        return {key: number for key, number in found.items() if isinstance(number, Number)}

    @cached_property
    def details(self) -> Details:
        """Every number of the model.

        Raises:
            OSError: when the file is missing or unreadable.
            CytopipeError: when it is not of its type.
        """
        return DETAILS[self.task].parse(self.files.read(self.path), self.where(self.path))

    @cached_property
    def predictions(self) -> Predictions | SegmenterPredictions:
        """The predictions of the test images.

        Raises:
            CytopipeError: when there are none, or not of this form.
        """
        path = self.beside("predictions.csv")
        parser = SegmenterPredictions if self.task == "segmentation" else Predictions
        return parser.parse(self.content(path), self.where(path))

    def content(self, path: str) -> bytes:
        """A file of the run.

        Raises:
            CytopipeError: when it is missing or unreadable.
        """
        try:
            return self.files.read(path)
        except FileNotFoundError:
            raise CytopipeError(
                "no such file", where=self.where(path), hint="run the pipeline first: dvc repro"
            ) from None
        except OSError:
            raise CytopipeError("unreadable file", where=self.where(path), hint=BROKEN) from None
