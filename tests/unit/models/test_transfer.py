"""A network starts from another network of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cytopipe.core.params import RANDOM_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import save_model
from cytopipe.models.folds import Folds
from cytopipe.models.heads import build_classifier
from cytopipe.models.pretrained import Normalisation
from cytopipe.models.transfer import load_first_weights, transfer
from cytopipe.results.model_spec import ModelSpec

COLOURS = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def network(architecture: str, classes: int = 3, channels: int = 3, **arguments: object) -> nn.Module:
    return build_classifier(architecture, {"num_classes": classes, "in_channels": channels, **arguments})


def numbered(model: nn.Module) -> nn.Module:
    """The model with a value of its own in every tensor, so that a wrong mapping cannot pass."""
    state = {key: torch.full_like(tensor, number) for number, (key, tensor) in enumerate(model.state_dict().items())}
    model.load_state_dict(state)
    return model


def saved(folder: Path) -> Path:
    arguments = {"backbone": "test_resnet", "num_classes": 3, "in_channels": 3}
    spec = ModelSpec(
        task="classification",
        architecture="resnet50_dropout",
        arguments=arguments,
        classes=("a", "b", "c"),
        channels="rgb",
        input_size=32,
        mean=COLOURS.mean,
        std=COLOURS.std,
        training_data_sha256="0" * 64,
    )
    save_model(folder, numbered(build_classifier("resnet50_dropout", arguments)), spec)
    return folder


def test_a_frozen_network_starts_from_a_trained_one_of_the_same_backbone(tmp_path: Path) -> None:
    donor = numbered(network("resnet50_dropout", 5, backbone="test_resnet"))
    model = network("resnet50_frozen", 4, backbone="test_resnet")
    head = {key: tensor.clone() for key, tensor in model.state_dict().items() if ".fc." in key}
    assert load_first_weights(model, saved(tmp_path / "donor")) == COLOURS
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, head.get(key, donor.state_dict()[key])), key


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_encoders_and_plain_models_exchange_their_weights(backbone: str) -> None:
    encoder = numbered(network("convnext_attention", backbone=backbone))
    plain = network(backbone)
    transfer(encoder, plain, "donor")
    back = network("convnext_attention", backbone=backbone)
    transfer(plain, back, "donor")
    for key, tensor in encoder.state_dict().items():
        if key.startswith("backbone."):
            assert torch.equal(back.state_dict()[key], tensor), key


def test_networks_of_one_class_exchange_everything_but_a_head_of_another_size() -> None:
    donor = numbered(network("convnext_attention", 5, backbone="test_convnext"))
    model = network("convnext_attention", 4, channels=5, backbone="test_convnext")
    transfer(donor, model, "donor")
    given, taken = donor.state_dict(), model.state_dict()
    unequal = {key for key in taken if not torch.equal(taken[key], given[key])}
    assert unequal == {"backbone.stem_0.weight", "classifier.4.weight", "classifier.4.bias"}
    assert torch.allclose(taken["backbone.stem_0.weight"], given["backbone.stem_0.weight"].mean() * 3 / 5)


def test_networks_without_a_timm_backbone_start_from_their_own_class() -> None:
    donor, model = (network("cell_background", classes) for classes in (2, 2))
    transfer(numbered(donor), model, "donor")
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in donor.state_dict().items())


@pytest.mark.parametrize(
    ("donor", "message"),
    [
        (("resnet50_dropout", {"backbone": "resnet10t"}), "built on resnet10t, the new one on test_resnet"),
        (("cell_background", {}), "built on CellBackground"),
    ],
)
def test_another_backbone_is_refused(donor: tuple[str, dict[str, Any]], message: str) -> None:
    model = network("resnet50_frozen", backbone="test_resnet")
    with pytest.raises(CytopipeError, match=message):
        transfer(network(donor[0], 2, **donor[1]), model, "models/classifiers/donor")


def test_other_widths_are_refused_and_nothing_is_changed() -> None:
    narrow, wide = (network("densenet_attention", growth=growth, blocks=[1, 1, 1, 1]) for growth in (4, 8))
    before = {key: tensor.clone() for key, tensor in wide.state_dict().items()}
    with pytest.raises(CytopipeError, match=r"in the file and .* in the model"):
        transfer(narrow, wide, "donor")
    assert all(torch.equal(before[key], tensor) for key, tensor in wide.state_dict().items())


def test_a_cross_validation_is_no_start(tmp_path: Path) -> None:
    Folds({"a": 0, "b": 1}, tmp_path).write()
    with pytest.raises(CytopipeError, match="holds a network for each fold"):
        load_first_weights(network("test_resnet"), tmp_path)


def test_other_sources_are_those_of_load_pretrained() -> None:
    model = network("test_resnet")
    assert load_first_weights(model, RANDOM_WEIGHTS, normalisation=COLOURS) == COLOURS
