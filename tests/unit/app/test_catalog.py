from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cytopipe.app.catalog import classifiers, segmenters
from cytopipe.app.render import about
from cytopipe.errors import CytopipeError
from made_ensemble import RULE, make_ensemble
from made_models import CLASSES, make_models


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_models(tmp_path / "models")


def test_every_classifier_of_a_folder_or_the_one_that_it_is(models: Path) -> None:
    assert [one.name for one in classifiers(models / "classifiers")] == ["colours", "masks"]
    assert [one.name for one in classifiers(models / "classifiers/masks")] == ["masks"]
    assert [one.name for one in segmenters(models / "segmenters")] == ["otsu"]
    assert segmenters(models / "nowhere") == []


def test_examples_come_with_their_true_class(models: Path) -> None:
    (one,) = classifiers(models / "classifiers/masks")
    assert [(path.name, label) for path, label in one.examples] == [
        ("example_0.png", CLASSES[0]),
        ("example_1.png", CLASSES[1]),
    ]


def test_folds_are_offered_as_the_one_model_that_they_are(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = models / "classifiers/folded"
    make_ensemble(whole, lambda folder, _: shutil.copytree(models / "classifiers/colours", folder), count=2)
    found = {one.name: one for one in classifiers(models / "classifiers")}["folded (mean of 2 folds)"]
    assert (found.folder, found.spec.decision_rule) == (whole, RULE)
    assert [path.parent for path, _ in found.examples] == [whole / "folds/0"] * len(CLASSES)
    assert "Mean of 2 networks; its measured performance is cross-validated" in about(found)
    (whole / "ensemble.json").unlink()
    assert "folded" not in "".join(one.name for one in classifiers(models / "classifiers"))
    assert "skipped" in caplog.text and "train it again" in caplog.text


def test_a_damaged_model_is_skipped_with_a_warning(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = models / "classifiers/colours/model.json"
    file.write_text(json.dumps({"task": "classification"}))
    assert [one.name for one in classifiers(models / "classifiers")] == ["masks"]
    assert "skipped" in caplog.text and "colours" in caplog.text
    with pytest.raises(CytopipeError, match=r"model\.json: architecture: Field required"):
        classifiers(models / "classifiers/colours")


def test_without_a_classifier_it_says_how_to_get_one(models: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", models / "segmenters"):
        with pytest.raises(CytopipeError, match="make repro"):
            classifiers(folder)
    with pytest.raises(CytopipeError, match="is a segmenter, not a classifier"):
        classifiers(models / "segmenters/otsu")
