from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from cytopipe.app.catalog import classifiers
from cytopipe.app.detectors import default_detector, detector_choices
from cytopipe.app.project import Project
from cytopipe.data.imaging.fields import Field
from cytopipe.screening.detectors import find_cells
from made_models import CELLS, draw_field, make_models


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_models(tmp_path / "models")


def test_equal_segmenters_are_offered_once_under_the_name_of_the_first(models: Path) -> None:
    found = detector_choices(classifiers(models / "classifiers"), models / "classifiers")
    assert [(one.name, one.by_patches) for one in found] == [("otsu", False)]
    shutil.rmtree(models / "segmenters")
    found = detector_choices(classifiers(models / "classifiers"), models / "classifiers")
    assert [one.name for one in found] == ["segmenter of masks"]
    named = detector_choices([], models / "classifiers", models / "classifiers/masks/segmenter")
    assert [one.name for one in named] == ["segmenter"]


def test_the_usual_detector_is_the_classifiers_own_segmenter(models: Path) -> None:
    colours, masks = classifiers(models / "classifiers")
    found = detector_choices([colours, masks], models / "classifiers")
    assert default_detector(masks, found, Project()) == found[0]
    assert default_detector(colours, found, Project()) == found[0]  # the only one
    assert default_detector(colours, [], Project()) is None


def test_it_finds_the_cells(models: Path) -> None:
    (choice,) = detector_choices([], models / "classifiers")
    found = find_cells(Field.of(draw_field()), choice.load(torch.device("cpu")))
    middles = {((left + right) // 2, (top + bottom) // 2) for left, top, right, bottom in (one.box for one in found)}
    assert middles == set(CELLS)


def test_the_project_knows_the_detector_of_its_classifiers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    project = Project()
    assert project.detector(Path("models/classifiers/attention-masks")) == Path("models/segmenters/fields")
    assert project.detector(Path("models/classifiers/vgg")) == Path("models/segmenters/otsu-bright")
    assert project.detector(Path("models/classifiers/unheard-of")) is None
    assert project.detector(Path("elsewhere/vgg")) is None
    assert project.fields() == [] and caplog.text == ""  # nothing was run yet
    (tmp_path / "params.yaml").write_text("runtime: {}\n")
    assert Project().detector(Path("models/classifiers/vgg")) is None
    assert "the test fields of the project are not available" in caplog.text
