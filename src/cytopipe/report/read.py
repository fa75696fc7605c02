"""Reading the results of all stages for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cytopipe import paths
from cytopipe.core.params import Classifier, Dataset, ExternalEvaluation, Params, Screening, Segmenter
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.errors import CytopipeError
from cytopipe.models.files import SUMS
from cytopipe.results.audit import AuditReport
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.explanations import ExplanationDetails
from cytopipe.results.external import External, ExternalClassifier, ExternalSegmenter
from cytopipe.results.guarantees import GuaranteeDetails
from cytopipe.results.history import History
from cytopipe.results.leaderboard import Leaderboard
from cytopipe.results.patients import PatientEvaluation
from cytopipe.results.predictions import Prediction, Predictions
from cytopipe.results.screening import FieldScore, FieldScores, FoundCells, ScreeningDetails
from cytopipe.results.segmenter import MaskScores, SegmenterDetails, SegmenterPredictions
from cytopipe.results.tables import Line, Table
from cytopipe.results.tensors import TensorsSummary
from cytopipe.results.unfamiliar import UNFAMILIAR, Unfamiliar


@dataclass(frozen=True)
class DatasetResults:
    """An organized dataset, how its images became squares, and its audit (None if it was not audited)."""

    name: str
    config: Dataset
    summary: DatasetSummary
    tensors: TensorsSummary
    rows: Sequence[Row]
    audit: AuditReport | None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of their indices."""
        return list(self.summary.classes)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Rows of the manifest by id."""
        return {row.id: row for row in self.rows}

    def row(self, identity: str) -> Row:
        """The row of an image in the manifest.

        Raises:
            CytopipeError: if there is no such image.
        """
        if identity not in self.by_id:
            raise CytopipeError(
                f"there is no image '{identity}'", where=paths.Organized(self.name).manifest, hint="run dvc repro"
            )
        return self.by_id[identity]

    def image(self, identity: str) -> Path:
        """Path of an image; raises errors like `row`."""
        return paths.Organized(self.name).folder / self.row(identity).path


@dataclass(frozen=True)
class ClassifierResults:
    """Results of a classifier, its explanations (None if the stage has not run), of images unlike its training images
    (None for a model that does not know these), its guarantees (None: none), and its answers for patients."""

    name: str
    config: Classifier
    details: ClassifierDetails
    table: Predictions
    explanations: ExplanationDetails | None
    unfamiliar: Unfamiliar | None = None
    guarantees: GuaranteeDetails | None = None
    patients: PatientEvaluation | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their indices."""
        return self.table.classes

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """One per test image."""
        return self.table.rows

    @property
    def files(self) -> paths.Trained:
        """Its paths."""
        return paths.classifier(self.name)


@dataclass(frozen=True)
class SegmenterResults:
    """Results of a segmenter; `overlaps` has a row for each test image with a true mask."""

    name: str
    config: Segmenter
    details: SegmenterDetails
    overlaps: Sequence[MaskScores]

    @property
    def files(self) -> paths.Trained:
        """Its paths."""
        return paths.segmenter(self.name)


@dataclass(frozen=True)
class ScreeningResults:
    """Results of a screening; `fields` has a row for each field, `found` one for each cell."""

    name: str
    config: Screening
    details: ScreeningDetails
    fields: Sequence[FieldScore]
    found: FoundCells

    @property
    def files(self) -> paths.Screened:
        """Its paths."""
        return paths.Screened(self.name)


@dataclass(frozen=True)
class ExternalResults:
    """Results of an evaluation elsewhere."""

    name: str
    config: ExternalEvaluation
    details: External


@dataclass(frozen=True)
class Results:
    """All of them, in the order of params.yaml."""

    params: Params
    datasets: Mapping[str, DatasetResults]
    segmenters: Mapping[str, SegmenterResults]
    classifiers: Mapping[str, ClassifierResults]
    screenings: Mapping[str, ScreeningResults]
    externals: Mapping[str, ExternalResults]
    leaderboard: Leaderboard


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
        {name: _external(name, config) for name, config in params.evaluations.items()},
        Leaderboard.read(paths.LEADERBOARD_JSON),
    )


def _dataset(name: str, config: Dataset) -> DatasetResults:
    organized, findings = paths.Organized(name), paths.Audit(name).findings
    audit = AuditReport.read(findings) if findings.is_file() else None
    summary, tensors = DatasetSummary.read(organized.summary), TensorsSummary.read(paths.Tensors(name).summary)
    return DatasetResults(name, config, summary, tensors, read_manifest(organized.manifest), audit)


def _segmenter(name: str, config: Segmenter) -> SegmenterResults:
    files = paths.segmenter(name)
    overlaps = SegmenterPredictions.read(files.predictions).rows
    return SegmenterResults(name, config, SegmenterDetails.read(files.details), overlaps)


def _classifier(name: str, config: Classifier) -> ClassifierResults:
    files, explained = paths.classifier(name), paths.Explained(name).summary
    explanations = ExplanationDetails.read(explained) if explained.is_file() else None
    details, table = ClassifierDetails.read(files.details), Predictions.read(files.predictions)
    unlike = files.clinical / UNFAMILIAR
    unfamiliar = Unfamiliar.read(unlike) if unlike.is_file() else None
    promised = files.clinical / paths.GUARANTEES
    guarantees = GuaranteeDetails.read(promised) if promised.is_file() else None
    patients = PatientEvaluation.of(files.clinical)
    return ClassifierResults(name, config, details, table, explanations, unfamiliar, guarantees, patients)


def _screening(name: str, config: Screening) -> ScreeningResults:
    files = paths.Screened(name)
    details, fields = ScreeningDetails.read(files.details), FieldScores.read(files.fields).rows
    return ScreeningResults(name, config, details, fields, FoundCells.read(files.detections))


def _external(name: str, config: ExternalEvaluation) -> ExternalResults:
    kind = ExternalSegmenter if config.classifier is None else ExternalClassifier
    return ExternalResults(name, config, kind.read(paths.External(name).details))


def plot_table(path: Path) -> list[Line]:
    """Rows of the table of a plot; none for a missing file, as not every evaluation draws every curve."""
    return list(Table.read(path).rows) if path.is_file() else []


def history(trained: paths.Trained) -> History:
    """The training history of a model; without epochs if nothing was trained."""
    path = trained.training / "history.csv"
    return History.read(path) if path.is_file() else History(epochs=())


def weight_hashes(model: Path) -> dict[str, str]:
    """SHA-256 of the files of a model folder by relative path, from its lists of checksums."""
    found = {}
    for sums in sorted(model.rglob(SUMS)):
        for line in sums.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            found[(sums.parent / name).relative_to(model).as_posix()] = digest
    return found
