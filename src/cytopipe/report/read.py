"""What the stages left, read for the report: classifiers, segmenters, screenings, datasets, audits, explanations."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cytopipe import paths
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.errors import CytopipeError
from cytopipe.params import Classifier, Dataset, Params, Screening, Segmenter

Table = list[dict[str, str]]
_SCORE = "p_"  # of the columns with the probability of a class
_CHECKSUMS = "SHA256SUMS"  # of a model folder


@dataclass(frozen=True, slots=True)
class Prediction:
    """One test image and what a classifier says of it; `probabilities` are in the order of the classes."""

    id: str
    group: str
    label: str
    predicted: str
    probabilities: tuple[float, ...]

    @property
    def right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.label == self.predicted

    @property
    def confidence(self) -> float:
        """The highest probability."""
        return max(self.probabilities, default=0.0)


@dataclass(frozen=True)
class DatasetResults:
    """A dataset as it was organized, and what its audit found (None where there was none)."""

    name: str
    config: Dataset
    summary: Mapping[str, Any]
    rows: Sequence[Row]
    audit: Mapping[str, Any] | None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of their indices."""
        return list(self.summary["classes"])

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Rows of the manifest by id."""
        return {row.id: row for row in self.rows}

    def row(self, identity: str) -> Row:
        """The manifest's row of an image.

        Raises:
            CytopipeError: when there is none.
        """
        if identity not in self.by_id:
            raise CytopipeError(
                f"there is no image '{identity}'", where=paths.Organized(self.name).manifest, hint="run dvc repro"
            )
        return self.by_id[identity]

    def image(self, identity: str) -> Path:
        """File of an image; raises as `row` does."""
        return paths.Organized(self.name).folder / self.row(identity).path


@dataclass(frozen=True)
class ClassifierResults:
    """A classifier's results, and what explains it (None where nothing does)."""

    name: str
    config: Classifier
    classes: Sequence[str]
    metrics: Mapping[str, Any]
    summary: Mapping[str, Any]
    predictions: Sequence[Prediction]
    explanations: Mapping[str, Any] | None

    @property
    def files(self) -> paths.Trained:
        """Its paths."""
        return paths.classifier(self.name)


@dataclass(frozen=True)
class SegmenterResults:
    """A segmenter's results; `overlaps` has a row for each test image with a true mask."""

    name: str
    config: Segmenter
    metrics: Mapping[str, Any]
    overlaps: Table

    @property
    def files(self) -> paths.Trained:
        """Its paths."""
        return paths.segmenter(self.name)


@dataclass(frozen=True)
class ScreeningResults:
    """What was found in whole fields; `fields` has a row for each."""

    name: str
    config: Screening
    metrics: Mapping[str, Any]
    fields: Table

    @property
    def files(self) -> paths.Screened:
        """Its paths."""
        return paths.Screened(self.name)


@dataclass(frozen=True)
class Results:
    """All of them, in the order of params.yaml."""

    params: Params
    datasets: Mapping[str, DatasetResults]
    segmenters: Mapping[str, SegmenterResults]
    classifiers: Mapping[str, ClassifierResults]
    screenings: Mapping[str, ScreeningResults]
    leaderboard: Mapping[str, Any]


def read_results(params: Params) -> Results:
    """Read what the stages left.

    Raises:
        CytopipeError: when a file is missing that every run writes. Audit and explanations may be missing.
    """
    return Results(
        params,
        {name: _dataset(name, config) for name, config in params.datasets.items()},
        {name: _segmenter(name, config) for name, config in params.segmenters.items()},
        {name: _classifier(name, config) for name, config in params.classifiers.items()},
        {name: _screening(name, config) for name, config in params.screenings.items()},
        _json(paths.LEADERBOARD_JSON),
    )


def _dataset(name: str, config: Dataset) -> DatasetResults:
    organized = paths.Organized(name)
    audit = _optional(paths.Audit(name).findings)
    return DatasetResults(name, config, _json(organized.summary), read_manifest(organized.manifest), audit)


def _segmenter(name: str, config: Segmenter) -> SegmenterResults:
    files = paths.segmenter(name)
    return SegmenterResults(name, config, _json(files.metrics), read_table(files.predictions))


def _classifier(name: str, config: Classifier) -> ClassifierResults:
    files = paths.classifier(name)
    table = read_table(files.predictions)
    scores = [column for column in (table[0] if table else ()) if column.startswith(_SCORE)]
    predictions = [
        Prediction(
            row["id"], row["group"], row["label"], row["predicted"], tuple(float(row[column]) for column in scores)
        )
        for row in table
    ]
    return ClassifierResults(
        name,
        config,
        [column.removeprefix(_SCORE) for column in scores],
        _json(files.metrics),
        _json(files.summary),
        predictions,
        _optional(paths.Explained(name).summary),
    )


def _screening(name: str, config: Screening) -> ScreeningResults:
    files = paths.Screened(name)
    return ScreeningResults(name, config, _json(files.metrics), read_table(files.fields))


def read_table(path: Path) -> Table:
    """Rows of a CSV that a stage wrote.

    Raises:
        CytopipeError: when it is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise _missing(path) from None


def read_table_if_there(path: Path) -> Table:
    """Like `read_table`, but empty for a missing file: not every evaluation draws every curve."""
    return read_table(path) if path.is_file() else []


def weight_hashes(model: Path) -> dict[str, str]:
    """SHA-256 of a model folder's files, by their path below it, as its own lists of checksums say."""
    found = {}
    for sums in sorted(model.rglob(_CHECKSUMS)):
        for line in sums.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            found[(sums.parent / name).relative_to(model).as_posix()] = digest
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path) from None
    except ValueError as error:
        raise CytopipeError(f"not JSON: {error}", where=path, hint="rerun the stage that writes it") from None
    return content


def _optional(path: Path) -> dict[str, Any] | None:
    return _json(path) if path.is_file() else None


def _missing(path: Path) -> CytopipeError:
    return CytopipeError("this result is missing", where=path, hint="run the stages before the report: dvc repro")
