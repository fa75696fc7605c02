"""`cytopipe review`: its queue as a table, and one clear error for what it cannot do."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fixture_types import Cytopipe
from made_review import make_review


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_review(tmp_path))
    return tmp_path


def test_the_queue_is_listed(here: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("review", "--list", "--most", 3)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert len(rows) == 3 and set(rows[0]) == {"id", "group", "label", "predicted", "score"}
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    result = cytopipe("review", "fields/slide.png", "--list", "--by", "unlikeness")
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 7
    assert not (here / "workflow/corrections").exists()  # nothing is written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--classifier", "third"), "there is no classifier 'third'"),
        (("--dataset", "none"), "there is no dataset 'none'"),
        (("--classifier", "first", "--classifier", "second"), "by the doubts of one of its own classifiers"),
        (("fields/none.png",), "none.png"),
        (("--by-field",), "no fields to be kept together"),
        (("--host", "0.0.0.0"), "serves this machine only"),
    ],
)
def test_what_cannot_be_reviewed_is_said(
    here: Path, cytopipe: Cytopipe, arguments: tuple[str, ...], message: str
) -> None:
    result = cytopipe("review", "--list", *arguments)
    assert result.exit_code == 1 and message in result.stderr and "Traceback" not in result.output


def test_a_table_elsewhere_is_refused_before_anything_is_served(here: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("review", "--no-browser", "--table", "mine.csv")
    assert result.exit_code == 1 and "is no CSV in workflow/corrections" in result.stderr


def test_outside_a_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cytopipe: Cytopipe) -> None:
    monkeypatch.chdir(tmp_path)
    result = cytopipe("review", "--list")
    assert result.exit_code == 1 and "params.yaml" in result.stderr
