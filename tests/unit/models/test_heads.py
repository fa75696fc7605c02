from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from cytopipe.core.params import Activation, Head
from cytopipe.errors import CytopipeError
from cytopipe.models.heads import (
    build_classifier,
    freeze_backbone,
    head_of,
    replace_activations,
    replace_head,
    train_mode,
)
from cytopipe.models.registry import count_parameters
from narrow_networks import Narrow

# Number of features that the head of each narrow network takes.
FEATURES = {"alexnet_hep2": 4 * 4 * 36, "cell_background": 4 * 25, "malaria_vgg": 16 * 9, "residual_attention": 32}


def test_the_head_maps_features_to_logits_and_comes_last(narrow: Narrow) -> None:
    model = narrow.build().eval()
    name, head = head_of(model)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    head.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    logits = model(narrow.images())
    ((features, output),) = seen
    assert model.get_submodule(name) is head
    assert torch.equal(output, logits) and features.ndim == 2
    assert features.shape[1] == FEATURES.get(narrow.name, features.shape[1])


@pytest.mark.parametrize("kind", ["linear", "svm"])
def test_a_linear_head_is_one_layer_on_the_same_features(narrow: Narrow, kind: Head) -> None:
    arguments = {**narrow.arguments, "num_classes": 2}
    model = build_classifier(narrow.name, arguments, head=kind)
    _, head = head_of(model)
    assert type(head) is nn.Linear and head.out_features == 2
    assert head.in_features == FEATURES.get(narrow.name, head.in_features)
    assert model(narrow.images()).shape == (2, 2)


@pytest.mark.parametrize("activation", ["relu", "mish"])
def test_head_activation_and_freezing_go_together_on_every_network(narrow: Narrow, activation: Activation) -> None:
    arguments = {**narrow.arguments, "num_classes": 2}
    model = build_classifier(narrow.name, arguments, head="mlp", activation=activation, freeze=True)
    _, head = head_of(model)
    chosen, other = (nn.ReLU, nn.Mish) if activation == "relu" else (nn.Mish, nn.ReLU)
    assert [type(layer) for layer in head.children()] == [nn.Linear, chosen, nn.Dropout, nn.Linear]
    hidden, _, dropout, _ = head.children()
    assert hidden.out_features == 512 and dropout.p == 0.5
    assert not any(isinstance(part, other) for part in model.modules())
    assert count_parameters(model, trainable=True) == count_parameters(head)
    train_mode(model)
    model(narrow.images()).sum().backward()
    assert {p.grad is not None for p in head.parameters()} == {True}


@pytest.mark.parametrize("name", ["test_convnext", "test_vit", "test_efficientnet", "mobilenetv2_100"])
def test_classifiers_of_timm_take_another_head(name: str) -> None:
    model = build_classifier(name, {"num_classes": 3}, head="mlp", activation="mish", freeze=True).eval()
    assert model(torch.zeros(1, 3, 160, 160)).shape == (1, 3)
    assert count_parameters(model, trainable=True) == count_parameters(head_of(model)[1]) > 0


def test_a_new_head_of_a_frozen_network_is_trainable() -> None:
    model = build_classifier("resnet50_frozen", {"backbone": "test_resnet"}, head="mlp")
    assert count_parameters(model, trainable=True) == count_parameters(head_of(model)[1]) == 97 * 512 + 513 * 4


def test_the_number_of_classes_may_be_the_architecture_s_own() -> None:
    model = build_classifier("alexnet_hep2", {"width": 4}, head="linear")
    assert head_of(model)[1].out_features == 6


def test_without_changes_any_architecture_is_built_as_it_is() -> None:
    assert type(build_classifier("otsu", {})).__name__ == "OtsuSegmenter"
    torch.manual_seed(0)
    plain = build_classifier("cell_background", {})
    assert isinstance(plain.get_submodule("features.1"), nn.ReLU)
    assert len([*plain.get_submodule("classifier").children()]) == 3


@pytest.mark.parametrize("change", [{"head": "linear"}, {"freeze": True}])
def test_a_segmenter_has_no_head(change: dict[str, Any]) -> None:
    with pytest.raises(CytopipeError, match="otsu: it is not a classifier"):
        build_classifier("otsu", {}, **change)


def test_an_architecture_without_a_named_head_gives_its_last_linear_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softplus())
    assert head_of(model) == ("2", model[2])


def test_a_network_without_a_linear_layer_has_no_head() -> None:
    with pytest.raises(CytopipeError, match="Sequential: has no single head"):
        head_of(nn.Sequential(nn.ReLU()))


def test_a_network_with_two_heads_is_refused() -> None:
    with torch.device("meta"), pytest.raises(CytopipeError, match="has no single head"):
        head_of(timm.create_model("deit_tiny_distilled_patch16_224"))


def test_a_head_that_is_a_convolution_is_refused() -> None:
    with torch.device("meta"), pytest.raises(CytopipeError, match=r"head\.fc does not take a flat feature vector"):
        replace_head(timm.create_model("resnetv2_50"), "linear", 2)


def test_every_activation_is_replaced_and_gates_are_not() -> None:
    shared = nn.SiLU()
    model = nn.Sequential(nn.ReLU(inplace=True), shared, nn.Sequential(shared, timm.layers.Mish()), nn.Sigmoid())
    replace_activations(model, "relu")
    assert [type(part) for part in model.modules() if not isinstance(part, nn.Sequential)] == [nn.ReLU] * 4 + [
        nn.Sigmoid
    ]


def test_activations_that_do_not_exist_are_named() -> None:
    with pytest.raises(CytopipeError, match=r"there is no activation 'swish'\n.*relu, mish"):
        replace_activations(nn.ReLU(), "swish")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(CytopipeError, match="Linear: has no activation to replace by mish"):
        replace_activations(nn.Linear(1, 1), "mish")


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items() if "running_" in key}


@pytest.mark.parametrize(("name", "drifts"), [("resnet50_frozen", False), ("resnet50_frozen_drifting", True)])
def test_statistics_of_a_frozen_backbone_drift_only_in_the_faithful_network(name: str, drifts: bool) -> None:
    model = build_classifier(name, {"backbone": "test_resnet"})
    before = statistics(model)
    train_mode(model)
    model(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert before and {torch.equal(before[key], value) for key, value in statistics(model).items()} == {not drifts}


def test_parts_that_are_trained_are_in_training_mode_and_frozen_ones_are_not() -> None:
    frozen = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    head = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    dropout = nn.Dropout()
    model = nn.Sequential(frozen, head, dropout)
    freeze_backbone(model, head)
    train_mode(model.eval())
    assert not any(part.training for part in frozen.modules())
    assert model.training and dropout.training and all(part.training for part in head.modules())
