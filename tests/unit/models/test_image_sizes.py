"""Models of timm at image sizes that they were not built for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cytopipe.core.params import Classifier
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.image_sizes import size_arguments, takes
from cytopipe.models.registry import build
from cytopipe.training.classification import make_classifier

TRAINING = {"epochs": 1, "batch_size": 2, "learning_rate": 0.001}


def classifier(architecture: str, **changes: Any) -> Classifier:
    given = {"dataset": "d", "architecture": architecture, "channels": "rgb", "pretrained": "workflow/weights/none"}
    return Classifier.model_validate({**given, "training": TRAINING, **changes})


@pytest.mark.parametrize("side", [64, 96, 100])
@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "deit_tiny_patch16_224"]
)
def test_a_transformer_is_built_for_the_images_and_rebuilt_from_its_folder(
    name: str, side: int, tmp_path: Path
) -> None:
    model, spec = make_classifier(classifier(f"timm/{name}", channels="rgb+masks"), ("a", "b", "c"), side, "0" * 64)
    assert spec.arguments["img_size"] == spec.input_size == side
    images = torch.rand(2, 5, side, side)
    save_model(tmp_path, model, spec)
    loaded, _ = load_model(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(images), model.eval()(images))


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "timm/edgenext_xx_small", "timm/efficientvit_m0"])
def test_a_network_that_takes_any_size_stays_as_it_is(name: str) -> None:
    _, spec = make_classifier(classifier(name), ("a", "b"), 64, "0" * 64)
    assert spec.arguments == {"num_classes": 2, "in_channels": 3}


def test_the_size_is_that_of_the_network_where_images_are_resized_for_it() -> None:
    _, spec = make_classifier(classifier("timm/vit_tiny_patch16_224", input_size=80), ("a", "b"), 300, "0" * 64)
    assert (spec.arguments["img_size"], spec.input_size, spec.network_size) == (80, 300, 80)


@pytest.mark.parametrize(
    ("name", "side", "sizes"),
    [
        ("timm/test_vit", 100, "96 or 128 or 160"),
        ("timm/levit_128", 100, "96 or 128 or 224"),
        ("timm/efficientformer_l1", 64, "224"),
        ("timm/inception_v3", 64, "96 or 299"),
        ("timm/nest_tiny", 100, "96 or 128 or 224"),
    ],
)
def test_an_architecture_that_takes_no_such_images_names_sizes_that_it_takes(name: str, side: int, sizes: str) -> None:
    with pytest.raises(CytopipeError) as refused:
        make_classifier(classifier(name), ("a", "b"), side, "0" * 64)
    assert str(refused.value) == (
        f"{name}: takes no images of {side} x {side} px\n  -> set the dataset's image_size, or the classifier's "
        f"input_size, to {sizes}"
    )


def test_a_size_of_the_users_own_is_kept() -> None:
    asked = classifier("timm/vit_tiny_patch16_224", arguments={"img_size": 64})
    _, spec = make_classifier(asked, ("a", "b"), 64, "0" * 64)
    assert spec.arguments["img_size"] == 64
    with pytest.raises(CytopipeError, match=r"img_size is 64, and the images are 96 x 96 px\n.*leave img_size out"):
        make_classifier(asked, ("a", "b"), 96, "0" * 64)


def test_published_weights_are_interpolated_to_the_size(tmp_path: Path) -> None:
    published = build("timm/vit_tiny_patch16_224", num_classes=1000)
    file = tmp_path / "vit.safetensors"
    save_file(published.state_dict(), file)
    model, _ = make_classifier(classifier("timm/vit_tiny_patch16_224", pretrained=str(file)), ("a", "b"), 96, "0" * 64)
    state: dict[str, Any] = model.state_dict()
    assert state["pos_embed"].shape == (1, 1 + 6 * 6, 192)
    assert torch.equal(state["pos_embed"][:, 0], published.state_dict()["pos_embed"][:, 0])
    assert torch.equal(state["blocks.0.attn.qkv.weight"], published.state_dict()["blocks.0.attn.qkv.weight"])


def test_trying_leaves_modes_and_random_numbers_as_they_are() -> None:
    model = build("timm/test_resnet", num_classes=2)
    model.get_submodule("conv1").eval()
    before = torch.random.get_rng_state()
    assert takes(model, 3, 32) and size_arguments(model, "timm/test_resnet", {"in_channels": 3}, 32) == {}
    assert torch.equal(torch.random.get_rng_state(), before)
    assert model.training and not model.get_submodule("conv1").training
