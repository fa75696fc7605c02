from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe.core.params import load_params
from cytopipe.report.build import Report, build_report
from cytopipe.report.external import matrices
from cytopipe.report.read import read_results
from made_external import add_evaluations
from made_project import CLASSES, SCRIPT


@pytest.fixture(scope="module")
def elsewhere(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project whose models were tested in another laboratory."""
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("external") / "project"))
    add_evaluations(folder, CLASSES["smear"])
    return folder


@pytest.fixture
def built(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(elsewhere)
    return build_report(load_params(Path("params.yaml")))


def test_the_page_shows_drop_leaks_and_what_a_few_patients_give(built: Report) -> None:
    html = built.html
    part = html[html.index('<section id="external"') : html.index('<section id="explanations"')]
    assert 'href="#external"' in html
    assert "1 images there are images of the training" in part and "Read as 16-bit images" in part
    assert "stranger (7)" in part and "too few groups are left" in part
    assert SCRIPT not in part  # a class of this name is escaped
    assert "+0." in part  # a drop has its sign


def test_a_matrix_holds_all_models_of_the_same_classes(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(elsewhere)
    found = matrices(read_results(load_params(Path("params.yaml"))))
    assert [one.metric.key for one in found] == ["balanced_accuracy", "dice_cell", "dice_nucleus"]
    smear = found[0]
    assert smear.classes == CLASSES["smear"] and smear.datasets == ["smear", "blood"]
    assert set(smear.rows) == {"first", "second"}
    home, there = smear.rows["first"]
    assert home and home.home and there and not there.home and there.evaluation == "first-on-blood"
    assert there.note == f"without {SCRIPT}"
    assert smear.rows["second"][1] is None


def test_cards_say_what_is_lost_there(built: Report) -> None:
    card = built.cards["models/first.md"]
    assert "## Another laboratory" in card and "blood, 120 images" in card
    assert "or on other stains" not in card and "were not tested" not in card
    assert "## Another laboratory" in built.cards["segmenters/unet.md"]
    assert "## Another laboratory" not in built.cards["models/second.md"]
    assert "or on other stains" in built.cards["models/second.md"]


def test_a_project_without_evaluations_has_no_such_section(report: Report) -> None:
    assert "Another laboratory" not in report.html
    assert not [name for name, text in report.cards.items() if "Another laboratory" in text]
