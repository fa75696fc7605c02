"""dossier.yaml: answers fill items, and a wrong id is an error that names the nearest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from cytopipe.dossier.answers import ANSWERS, questions, read_answers
from cytopipe.dossier.build import fill
from cytopipe.dossier.items import checklists
from cytopipe.dossier.project import Project
from cytopipe.errors import CytopipeError

KNOWN = [one.key(item) for one in checklists() for item in one.items]


def test_an_answer_fills_its_item(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(here, tmp_path / "copy"))
    monkeypatch.chdir(copy)
    ANSWERS.write_text("claim-44: No funding.\ntripod-18a: No funding.\nclaim-7: Two clinics.\nclaim-20: Also said.\n")
    found = {item.key: item for one in fill(Project.read()) for item in one.items}
    assert (found["claim-44"].status, found["claim-44"].answer, found["claim-44"].to_write) == (
        "author",
        "No funding.",
        "",
    )
    assert found["claim-7"].status == "author" and found["claim-7"].topics
    assert found["claim-20"].status == "run" and found["claim-20"].answer == "Also said."
    assert found["claim-5"].status == "open"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claim-45: x\n", "claim-4[0-9]'"),
        ("tripod-18: x\n", "did you mean 'tripod-18"),
        ("funding: x\n", "claim-44"),
        ("claim-44: 3\n", "not text"),
        ("claim-44: [a]\n", "not text"),
        ("claim-44: a\nclaim-44: b\n", "stands twice"),
        ("- claim-44\n", "not keys with values"),
    ],
)
def test_a_wrong_answer_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "dossier.yaml"
    file.write_text(text)
    with pytest.raises(CytopipeError, match=message):
        read_answers(file, KNOWN)


def test_an_empty_answer_is_none_and_so_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "dossier.yaml"
    assert read_answers(file, KNOWN) == {}
    file.write_text('claim-44: ""\nclaim-5:\n')
    assert read_answers(file, KNOWN) == {}


def test_the_questions_are_a_file_to_fill_in(tmp_path: Path) -> None:
    file = tmp_path / "dossier.yaml"
    file.write_text(questions(checklists(), ["claim-44", "tripod-3a"]))
    assert yaml.safe_load(file.read_text()) == {"claim-44": "", "tripod-3a": ""}
    assert "# CLAIM 2024 44, Funding: sources of funding" in file.read_text()
    assert read_answers(file, KNOWN) == {}
