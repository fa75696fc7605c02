from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.evaluation.comparison.patients import per_patient
from cytopipe.report.build import build_report
from cytopipe.results.leaderboard import Leaderboard, PatientNumbers
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import FittedOn, GroupConfusion, PatientEvaluation, PatientRule

RULE = PatientRule(
    rule="count",
    label="worst",
    specificity=0.9,
    count=3,
    shift=-2.0,
    slope=1.0,
    intercept=0.0,
    threshold=0.5,
    fitted_on=FittedOn(source="validation", groups=20, normal=12, abnormal=8, left_out=0),
)
FOUND = PatientEvaluation(
    rules=(RULE,),
    groups=31,
    abnormal=9,
    wanted_specificity=0.9,
    auc=Estimate(value=0.875, low=0.75, high=0.9375),
    sensitivity=Estimate(value=0.75, low=0.5, high=0.875),
    specificity=Estimate(value=1.0, withheld="3 normal groups"),
    accuracy=Estimate(value=0.9),
    brier=Estimate(value=0.1),
    confusion=GroupConfusion(
        abnormal_called_abnormal=7, abnormal_called_normal=2, normal_called_abnormal=4, normal_called_normal=18
    ),
)
NONE = PatientEvaluation(rules=(RULE,), wanted_specificity=0.9, why="all 12 test groups with a label are abnormal")


def test_report_leaderboard_and_card_have_a_block_per_patient(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_project, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    for name, found in {"first": FOUND, "second": NONE}.items():
        paths.classifier(name).clinical.mkdir(exist_ok=True)
        found.write(paths.classifier(name).clinical / "patients.json")
    board = Leaderboard.read(paths.LEADERBOARD_JSON)
    ranked = {
        title: ranking.model_copy(
            update={
                "classifiers": tuple(
                    row.model_copy(update={"patients": PatientNumbers.of(FOUND if row.name == "first" else NONE)})
                    for row in ranking.classifiers
                )
            }
        )
        for title, ranking in board.root.items()
    }
    Leaderboard(ranked).write(paths.LEADERBOARD_JSON)

    report = build_report(load_params(Path("params.yaml")))
    card = report.cards["models/first.md"]
    assert "## Patients\n\nOne answer for each group of images: probability that at least 3 images are abnormal" in card
    assert "| sensitivity, threshold for 90 % specificity | 0.750 |" in " ".join(card.split())
    assert "No numbers: all 12 test groups with a label are abnormal." in report.cards["models/second.md"]
    assert 'id="classifier-first-patients"' in report.html and "0.875" in report.html
    assert "Fitted on 20 validation groups (12 normal, 8 abnormal)" in report.html
    assert "Per patient" in report.html

    (ranking, *_) = [one for title, one in ranked.items() if one.classifiers[0].name in ("first", "second")]
    text = "".join(per_patient(ranking.classifiers))
    assert "0.750 to 0.938" in text and "- `second`: no numbers per patient: all 12 test groups" in text


def test_without_patients_there_is_no_block() -> None:
    assert per_patient([]) == []
