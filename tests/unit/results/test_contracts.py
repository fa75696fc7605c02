"""Every file between stages is read as it was written; missing or invalid content is an error that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol, Self

import pytest

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.results.audit import AuditReport
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.contract import Contract
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.explanations import ExplanationDetails
from cytopipe.results.headline import Headline
from cytopipe.results.history import History
from cytopipe.results.leaderboard import Leaderboard
from cytopipe.results.predictions import Predictions
from cytopipe.results.screening import FieldScores, FoundCells, ScreeningDetails
from cytopipe.results.segmenter import SegmenterDetails, SegmenterPredictions
from made_results import classifier_details


class StoredFile(Protocol):
    """A type of results that reads and writes its own file."""

    @classmethod
    def read(cls, path: Path) -> Self: ...

    def write(self, path: Path) -> None: ...


FIRST, UNET, FIELDS = paths.classifier("first"), paths.segmenter("unet"), paths.Screened("fields")
FILES: dict[Path, type[StoredFile]] = {
    paths.Audit("smear").findings: AuditReport,
    FIRST.details: ClassifierDetails,
    FIRST.metrics: Headline,
    FIRST.predictions: Predictions,
    FIRST.training / "history.csv": History,
    UNET.details: SegmenterDetails,
    UNET.predictions: SegmenterPredictions,
    paths.segmenter("otsu").predictions: SegmenterPredictions,  # without images
    paths.segmenter("otsu").training / "history.csv": History,  # without epochs
    FIELDS.details: ScreeningDetails,
    FIELDS.fields: FieldScores,
    FIELDS.detections: FoundCells,
    paths.Organized("smear").summary: DatasetSummary,
    paths.Explained("first").summary: ExplanationDetails,
    paths.LEADERBOARD_JSON: Leaderboard,
}
TABLE = "id,group,label,predicted,p_a,p_b\n"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_read_as_it_was_written(finished_project: Path, tmp_path: Path, path: Path) -> None:
    file = finished_project / path
    FILES[path].read(file).write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_missing_file_says_what_to_do(tmp_path: Path, path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"x: this result is missing\n.*dvc repro"):
        FILES[path].read(tmp_path / "x")


@pytest.mark.parametrize("path", FILES, ids=str)
@pytest.mark.parametrize("content", ["", "3", "\x00", "a,b\n1\n"])
def test_invalid_content_is_refused(tmp_path: Path, path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(CytopipeError, match=r"x: .*\n.*dvc repro"):
        FILES[path].read(tmp_path / "x")


def test_a_key_that_is_missing_unknown_or_of_another_type_is_named() -> None:
    plain = classifier_details().plain
    for change, words in (
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"images": "8"}, "images: .*integer"),
        ({"metrics": {"accuracy": {"value": "good"}}}, r"metrics\.accuracy\.value"),
    ):
        with pytest.raises(CytopipeError, match=rf"details\.json of main: not a valid result: {words}"):
            ClassifierDetails.parse(json.dumps(plain | change).encode(), "details.json of main")
    del plain["selective"]
    with pytest.raises(CytopipeError, match="selective: Field required"):
        ClassifierDetails.parse(json.dumps(plain).encode(), "x")
    assert isinstance(classifier_details(), Contract)


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_numbers_are_finite(number: str) -> None:
    with pytest.raises(CytopipeError, match="finite"):
        Headline.parse(f'{{"accuracy": {number}}}'.encode(), "x")


@pytest.mark.parametrize(
    "content",
    ['{"auc": null}', '{"auc": [0.5]}', '{"auc": {"low": 0.5}}', json.dumps({f"m{n}": 0.5 for n in range(15)})],
)
def test_metrics_json_is_flat_defined_and_short(content: str) -> None:
    with pytest.raises(CytopipeError, match="not a valid result"):
        Headline.parse(content.encode(), "x")


def test_predictions_know_truth_and_scores() -> None:
    found = Predictions.parse(f"{TABLE}x,g,b,a,0.75,0.25\ny,h,b,b,0.5,0.5\n".encode(), "x")
    assert found.classes == ("a", "b") and found.ids == ("x", "y") and found.groups == ("g", "h")
    assert found.truth.tolist() == [1, 1] and found.correct.tolist() == [0, 1]
    assert found.probabilities.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert found.rows[0].confidence == 0.75


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,group\nx,g\n", "columns are missing: label, predicted"),
        (f"{TABLE}x,g,c,a,0.75,0.25\n", "the class 'c' of 'x' has no probability"),
        (f"{TABLE}x,g,a,a,much,0.25\n", "p_a is 'much', which is no number"),
        (f"{TABLE}x,g,a,a,nan,0.25\n", "p_a is 'nan', which is no number"),
        (f"{TABLE}x,g,a,a,0.75\n", "not a table"),
    ],
)
def test_an_invalid_table_is_named_with_its_fault(content: str, words: str) -> None:
    with pytest.raises(CytopipeError, match=f"there: {words}"):
        Predictions.parse(content.encode(), "there")
