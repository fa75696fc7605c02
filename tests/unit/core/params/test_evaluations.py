from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.params import learnt_from, parse_params, refuse_former_values
from cytopipe.errors import CytopipeError
from cytopipe.paths import PRESETS

TINY = Path(__file__).resolve().parents[4] / PRESETS / "tiny.yaml"


def project(**evaluation: Any) -> dict[str, Any]:
    """The tiny preset with the dataset `other`, of another seed, and one evaluation, `there`."""
    data: dict[str, Any] = yaml.safe_load(TINY.read_text())
    tiny = data["datasets"]["tiny"]
    data["datasets"]["other"] = {**tiny, "source": {**tiny["source"], "seed": 99}}
    data["evaluations"] = {"there": {"dataset": "other", **evaluation}}
    return data


def test_a_classifier_or_a_segmenter_is_tested_on_a_dataset_that_it_never_saw() -> None:
    one = parse_params(project(classifier="masks", classes={"Parabasal": None}), "x").evaluations["there"]
    assert (one.section, one.model, one.classes) == ("classifiers", "masks", {"Parabasal": None})
    one = parse_params(project(segmenter="unet"), "x").evaluations["there"]
    assert (one.section, one.model) == ("segmenters", "unet")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "evaluations.there: name one model: classifier: NAME or segmenter: NAME"),
        ({"classifier": "masks", "segmenter": "unet"}, "name one model"),
        ({"segmenter": "unet", "classes": {"a": "b"}}, "a segmenter knows none"),
        ({"classifier": "mask"}, "evaluations.there.classifier: there is no 'mask'; did you mean: masks"),
        (
            {"classifier": "masks", "dataset": "othr"},
            "evaluations.there.dataset: there is no 'othr'; did you mean: oth",
        ),
        ({"classifier": "masks", "clases": {}}, "unknown key 'clases'; did you mean: classes"),
        ({"classifier": "masks", "dataset": "tiny"}, "'masks' is a network of 'tiny' itself"),
    ],
)
def test_faults_name_the_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CytopipeError) as error:
        parse_params(project(**changes), "params.yaml")
    assert message in error.value.what


@pytest.mark.parametrize("model", [{"classifier": "masks"}, {"classifier": "resnet-rgb"}, {"segmenter": "unet"}])
def test_the_images_of_the_training_under_another_name_are_refused(model: dict[str, str]) -> None:
    data = project(**model)
    data["datasets"]["other"]["source"] = {**data["datasets"]["tiny"]["source"], "fields_per_class": 3}
    with pytest.raises(CytopipeError, match="is a network of 'tiny', the source of 'other' too"):
        parse_params(data, "params.yaml")


def test_what_the_segmenter_of_a_classifier_and_its_start_have_learnt_from_counts_too() -> None:
    data = project(classifier="masks", dataset="tiny")
    data["screenings"] = {}
    data["classifiers"]["masks"]["dataset"] = "other"
    with pytest.raises(CytopipeError, match="its segmenter 'unet' is a network of 'tiny' itself"):
        parse_params(data, "params.yaml")
    data["evaluations"]["there"]["classifier"] = "resnet-rgb"
    data["classifiers"]["resnet-rgb"] |= {"dataset": "other", "pretrained": "models/classifiers/resnet-masked"}
    with pytest.raises(CytopipeError, match="'models/classifiers/resnet-masked', which it starts from, is a network"):
        parse_params(data, "params.yaml")


def test_datasets_that_a_model_stands_on_begin_with_its_own() -> None:
    params = parse_params(project(classifier="masks"), "x")
    found = list(learnt_from("classifiers", "masks", params.datasets, params.segmenters, params.classifiers))
    assert found == [("'masks'", "tiny"), ("its segmenter 'unet'", "tiny")]


def test_stages_take_an_older_file_without_the_section_and_engines_say_what_to_write(tmp_path: Path) -> None:
    data = yaml.safe_load(TINY.read_text())
    del data["evaluations"]
    assert parse_params(data, "x").evaluations == {}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(CytopipeError, match=r"evaluations: must be given: \{\} for no model"):
        refuse_former_values(tmp_path / "params.yaml")
