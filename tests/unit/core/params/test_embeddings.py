from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.params import parse_params
from cytopipe.errors import CytopipeError
from cytopipe.paths import PRESETS

TINY = Path(__file__).resolve().parents[4] / PRESETS / "tiny.yaml"
ENCODER = {"dataset": "tiny", "architecture": "timm/test_resnet", "pretrained": "workflow/weights/none"}


def project(**changes: Any) -> dict[str, Any]:
    """The tiny preset with one embedding, `described`."""
    data: dict[str, Any] = yaml.safe_load(TINY.read_text())
    data["embeddings"] = {"described": {**ENCODER, **changes}}
    return data


def test_a_project_need_not_have_the_section() -> None:
    assert parse_params(yaml.safe_load(TINY.read_text()), "x").embeddings == {}


def test_an_embedding_has_all_probes_unless_it_names_some() -> None:
    assert parse_params(project(), "x").embeddings["described"].probes == ("linear", "svm", "knn")
    assert parse_params(project(probes=["knn"]), "x").embeddings["described"].probes == ("knn",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "tny"}, "embeddings.described.dataset: there is no 'tny'; did you mean: tiny"),
        ({"probes": []}, "embeddings.described.probes"),
        ({"probes": ["svm", "svm"]}, "name each probe once"),
        ({"inner_folds": 1}, "inner_folds is 0"),
        ({"arguments": {"num_classes": 3}}, "arguments.num_classes is set by cytopipe"),
        (
            {"regions": "masks", "arguments": {"dropout": 0.1}},
            "regions: masks takes feature maps of a plain timm model",
        ),
        ({"encoder": "x"}, "unknown key 'encoder'"),
        ({"pretrained": "models/classifiers/mask"}, "embeddings.described.pretrained: there is no network"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CytopipeError) as caught:
        parse_params(project(**changes), "x")
    assert message in str(caught.value)


def another_split(**changes: Any) -> dict[str, Any]:
    """The same images in another split, as the dataset of the embedding."""
    data = project(dataset="again", **changes)
    tiny = data["datasets"]["tiny"]
    data["datasets"]["again"] = {**tiny, "split": {**tiny["split"], "seed": 7}}
    return data


def test_weights_that_have_seen_the_test_images_are_refused() -> None:
    with pytest.raises(CytopipeError, match=r"embeddings\.described\.pretrained: .* was trained on the images"):
        parse_params(another_split(pretrained="models/classifiers/masks"), "x")


def test_masks_of_a_segmenter_that_has_seen_the_test_images_are_refused() -> None:
    with pytest.raises(CytopipeError, match=r"embeddings\.described: the masks of .* use regions: whole"):
        parse_params(another_split(regions="masks"), "x")
    parse_params(another_split(), "x")  # of whole images
