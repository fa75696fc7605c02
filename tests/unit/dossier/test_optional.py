"""Results that only some runs have: they fill their items with the values of their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe import paths
from cytopipe.dossier.build import FilledItem, fill
from cytopipe.dossier.project import Project
from cytopipe.results.guarantees import GuaranteeDetails
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import PatientEvaluation
from cytopipe.results.subgroups import Subgroups
from cytopipe.results.suspects import SuspectsSummary
from cytopipe.results.unfamiliar import Unfamiliar

NUMBER = {"value": 0.75, "low": 0.5, "high": 0.875}
RULE = {"rule": "max", "label": "worst", "specificity": 0.9}
PART = {
    "attribute": "site", "value": "north", "images": 8, "groups": 6, "classes": {"a": 8},
    "metrics": {"accuracy": NUMBER}, "operating_points": [], "differences": {},
}  # fmt: skip


def leave_optional(folder: Path) -> None:
    """Files of every kind for the classifier `first` of a made project."""
    clinical = folder / paths.classifier("first").clinical
    clinical.mkdir(parents=True, exist_ok=True)
    number = Estimate.model_validate(NUMBER)
    PatientEvaluation.model_validate(
        {"rules": [RULE], "groups": 12, "abnormal": 5, "wanted_specificity": 0.9, "auc": number, "sensitivity": number}
    ).write(clinical / "patients.json")
    worst = {"attribute": "site", "value": "north", "metric": "accuracy"}
    Subgroups.model_validate(
        {
            "images": 18,
            "groups": 12,
            "metrics": {"accuracy": number},
            "tests": 3,
            "level": 0.05,
            "subgroups": [PART],
            "worst": worst,
            "different": [worst],
        }
    ).write(clinical / paths.SUBGROUPS)
    altered = {"auroc": number, "flagged": number, "confident": 0.5, "passed": 0.25}
    Unfamiliar.model_validate(
        {
            "rules": [],
            "images": 18,
            "groups": 12,
            "false_alarms": number,
            "holds": True,
            "altered_images": 9,
            "altered": {"blurred": altered},
        }
    ).write(clinical / "unfamiliar.json")
    sets = {"wanted": 0.9, "groups": [4], "images": [9], "least": [None], "withheld": "4 groups", "scores": None}
    GuaranteeDetails.model_validate(
        {"calibrated_on": "validation", "test_groups": 12, "sets": sets, "group_score": "max", "patients": []}
    ).write(clinical / paths.GUARANTEES)
    SuspectsSummary.model_validate(
        {
            "by": "first",
            "images": 30,
            "groups": 9,
            "beside_test": 2,
            "unjudged": {},
            "reviewed": 0,
            "accuracy": number,
            "chance": 0.5,
            "suspects": 3,
            "withheld": None,
        }
    ).write(folder / paths.Audit("smear").folder / paths.HOW_SUSPECTED)


@pytest.fixture
def items(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, FilledItem]:
    """The filled items of a project with such files, by key."""
    copy = Path(shutil.copytree(here, tmp_path / "copy"))
    leave_optional(copy)
    monkeypatch.chdir(copy)
    return {item.key: item for one in fill(Project.read()) for item in one.items}


def texts(item: FilledItem, subject: str) -> dict[str, str]:
    return {fact.label: fact.text for topic in item.topics for fact in topic.facts if fact.subject == subject}


def test_patients_and_subgroups_stand_beside_the_performance(items: dict[str, FilledItem]) -> None:
    found = texts(items["tripod-23a"], "first")
    assert (found["test patients"], found["AUC"]) == ("12, 5 abnormal", "0.750 (0.500 to 0.875)")
    assert found["rule"] == "highest probability of an image"
    assert found["different after Holm's correction"] == "accuracy of site: north"
    assert texts(items["tripod-14"], "first, site: north")["test groups"] == "6"


def test_guarantees_that_are_withheld_say_why(items: dict[str, FilledItem]) -> None:
    assert texts(items["tripod-15"], "first")["withheld"] == "4 groups"


def test_unlike_images_and_suspects(items: dict[str, FilledItem]) -> None:
    assert texts(items["claim-30"], "first")["false alarms on test images"] == "0.750 (0.500 to 0.875)"
    assert texts(items["claim-30"], "first, blurred")["passed"] == "0.25"
    assert texts(items["claim-39"], "smear")["suspects"] == "3"
