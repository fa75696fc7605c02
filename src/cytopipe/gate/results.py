"""The results of a run, from a folder or a git revision: metrics with their intervals, and predictions."""

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
from cytopipe.results.screening import FieldScores
from cytopipe.results.segmenter import SegmenterPredictions

_TABLES: dict[Task, tuple[type[Predictions] | type[SegmenterPredictions] | type[FieldScores], str]] = {
    "classification": (Predictions, "predictions.csv"),
    "segmentation": (SegmenterPredictions, "predictions.csv"),
    "screening": (FieldScores, "fields.csv"),
}


class Files(Protocol):
    """Files of a project, in its folder or of a revision."""

    @property
    def name(self) -> str:
        """Name of the run in messages."""

    def read(self, path: str) -> bytes:
        """Read a file; `path` is relative to the root of the project. FileNotFoundError if it does not exist."""

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""


@dataclass(frozen=True)
class Folder:
    """The files in the folder of a project."""

    root: Path
    name: str = "this run"

    def read(self, path: str) -> bytes:
        """Read a file; `path` is relative to the root of the project."""
        return (self.root / path).read_bytes()

    def details_files(self) -> list[str]:
        """Sorted paths of results/**/details.json."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("results/**/details.json"))


@dataclass(frozen=True)
class Number:
    """A finite metric, and its 95 % interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Change:
    """Now minus before on the same images.

    Attributes:
        value: over all images.
        low, high: 95 % limits over groups; None under 5 groups.
        lost: the group that collapsed, in words; empty if none did.
    """

    value: float
    low: float | None
    high: float | None
    lost: str = ""


@dataclass(frozen=True)
class Results:
    """The results of one classifier, segmenter or screening; `path` is that of its details.json."""

    files: Files
    path: str

    @property
    def kind(self) -> str:
        """`classifiers`, `segmenters` or `screenings`."""
        return PurePosixPath(self.path).parent.parent.name

    @property
    def task(self) -> Task:
        """Task of the model.

        Raises:
            CytopipeError: if the path is not that of a model.
        """
        if self.kind not in TASKS:
            raise CytopipeError(f"'{self.kind}' is no kind of model", where=self.where(self.path))
        return TASKS[self.kind]

    def beside(self, name: str) -> str:
        """Path of another file of the model."""
        return str(PurePosixPath(self.path).parent / name)

    def where(self, path: str) -> str:
        """A path and the name of the run, for error messages."""
        return f"{path} of {self.files.name}"

    def number(self, key: str) -> Number | str:
        """A metric, or the reason as text if there is no number.

        Args:
            key: key in the registry, or dotted path in details.json.

        Raises:
            CytopipeError: if the file is known but cannot be fetched, see `Revision`.
        """
        try:
            _ = self._stored
        except FileNotFoundError:
            return "no such file"
        except OSError:
            return "unreadable file"
        try:
            details = self.details
        except CytopipeError:
            return "unreadable file"
        metric = find(key)
        found = estimate_at(details, metric.place if metric else key)
        if found is None:
            return "no such metric"
        return "not a number" if found.value is None else Number(found.value, found.low, found.high)

    def headline(self) -> dict[str, Number]:
        """The gated metrics that are defined, by key."""
        found = {metric.key: self.number(metric.key) for metric in gated(self.task)}
        return {key: number for key, number in found.items() if isinstance(number, Number)}

    @cached_property
    def _stored(self) -> bytes:
        """The content of details.json."""
        return self.files.read(self.path)

    @cached_property
    def details(self) -> Details:
        """The content of details.json.

        Raises:
            OSError: if the file is missing or unreadable.
            CytopipeError: if it is not of its type.
        """
        return DETAILS[self.task].parse(self._stored, self.where(self.path))

    @cached_property
    def predictions(self) -> Predictions | SegmenterPredictions | FieldScores:
        """The predictions of the test images, or the cells of the test fields.

        Raises:
            CytopipeError: if the table is missing or invalid.
        """
        parser, name = _TABLES[self.task]
        path = self.beside(name)
        return parser.parse(self.content(path), self.where(path))

    def content(self, path: str) -> bytes:
        """Read a file of the run.

        Raises:
            CytopipeError: if it is missing or unreadable.
        """
        try:
            return self.files.read(path)
        except FileNotFoundError:
            raise CytopipeError(
                "no such file", where=self.where(path), hint="run the pipeline first: dvc repro"
            ) from None
        except OSError:
            raise CytopipeError("unreadable file", where=self.where(path), hint=BROKEN) from None
