from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models import registry
from cytopipe.models.registry import architectures, build, count_parameters, find


def test_every_entry_is_complete_and_its_defaults_are_json() -> None:
    entries = {entry.name: entry for entry in architectures()}
    assert list(entries) == sorted(entries)
    assert {"attention_unet", "convnext_attention", "convnext_token_attention", "timm/<name>"} <= set(entries)
    for entry in entries.values():
        assert entry.task in ("segmentation", "classification")
        assert entry.paper and entry.description.endswith(".") and entry.input_size > 0
        assert entry.validate({**json.loads(json.dumps(entry.defaults)), **required(entry.name)})


def required(name: str) -> dict[str, object]:
    if name in ("onnx", "torchscript"):
        return {"sha256": "0" * 64, "size": 1, "output": "labels"}
    return {"model": "resnet18", "num_classes": 2} if name == registry.TIMM else {}


def test_defaults_are_those_of_the_published_system() -> None:
    assert find("attention_unet").defaults == {
        "encoder": "convnext_tiny",
        "decoder_widths": (256, 128, 64),
        "in_channels": 3,
        "heads": ("cyt", "nuc"),
    }


@pytest.mark.parametrize("name", ["timm/test_resnet", "test_resnet", "test_resnet.r160_in1k"])
def test_timm_models_are_found_with_and_without_prefix_and_tag(name: str) -> None:
    entry = find(name)
    assert (entry.name, entry.task) == (f"timm/{name.removeprefix('timm/')}", "classification")
    assert entry.description == find("timm/resnet18").description != ""
    assert entry.defaults == {"in_channels": 3, "dropout": 0.0, "img_size": None}
    model = build(name, num_classes=4, in_channels=5, dropout=0.25).eval()
    assert model(torch.zeros(1, 5, 64, 64)).shape == (1, 4)
    assert model.drop_rate == 0.25


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("attention_unit", "attention_unet"),
        ("resnet_18", "resnet18"),
        ("ResNet50", "resnet50"),
        ("timm/densenet_121", "densenet121"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(CytopipeError, match=f"there is no architecture '{name}'") as caught:
        build(name)
    assert nearest in (caught.value.hint or "")


def test_a_name_without_similar_ones_is_answered_with_the_list() -> None:
    with pytest.raises(CytopipeError, match="alexnet_hep2, attention_unet, cell_background"):
        build("§§§")


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp", "timm/hf-hub:someone/model"])
def test_models_from_outside_timm_are_not_fetched(name: str) -> None:
    with pytest.raises(CytopipeError, match="there is no architecture"):
        build(name, num_classes=2)


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(CytopipeError, match=r"resnet18\.nonsense: timm cannot build it"):
        build("resnet18.nonsense", num_classes=2)


def test_an_unknown_encoder_is_answered_with_the_nearest() -> None:
    with pytest.raises(CytopipeError, match=r"no model 'convnext_tinny'\n.*convnext_tiny"):
        build("attention_unet", encoder="convnext_tinny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_clases": 3}, "unknown argument 'num_clases'\n.*num_classes"),
        ({"num_classes": 3, "model": "resnet50"}, "unknown argument 'model'"),
        ({"num_classes": "3"}, "argument 'num_classes': Input should be a valid integer"),
        ({"num_classes": True}, "argument 'num_classes': Input should be a valid integer"),
        ({"num_classes": 0}, "argument 'num_classes': .*greater than 0"),
        ({"num_classes": 3, "dropout": 1}, "argument 'dropout': .*less than 1"),
        ({"num_classes": 3, "dropout": float("nan")}, "argument 'dropout'"),
        ({"num_classes": Path("3")}, "argument 'num_classes'"),
        ({}, "argument 'num_classes' is missing"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(CytopipeError, match=message):
        build("resnet18", **arguments)


def test_a_wrong_element_of_a_list_is_named_by_its_index() -> None:
    with pytest.raises(CytopipeError, match=r"attention_unet: argument 'decoder_widths.2'"):
        build("attention_unet", decoder_widths=[256, 128, "64"])


def test_a_name_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="two architectures"):
        registry.register("attention_unet", task="segmentation", paper="none", input_size=32)(nn.Identity)


def test_trainable_parameters_are_counted_apart() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].requires_grad_(False)
    assert (count_parameters(model), count_parameters(model, trainable=True)) == (15, 6)
