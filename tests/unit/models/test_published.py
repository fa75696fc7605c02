"""The networks of the five published systems: sizes, connections and peculiarities."""

from __future__ import annotations

import inspect
import re

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.densenet_attention import DenseNetDropout
from cytopipe.models.architectures.residual_attention import AttentionModule, ResidualUnit
from cytopipe.models.registry import architectures, build, count_parameters, find
from narrow_networks import Narrow

# Parameters, trainable ones, classes, input size.
PUBLISHED = {
    "alexnet_hep2": (61_106_846, 58_637_150, 6, 300),
    "cell_background": (7_060, 7_060, 2, 20),
    "densenet_attention": (6_958_981 + 162, 6_958_981 + 162, 5, 224),
    "densenet_dropout": (6_958_981, 6_958_981, 5, 224),
    "densenet_full_attention": (6_958_981 + 132_160, 6_958_981 + 132_160, 5, 224),
    "malaria_vgg": (6_029_441, 6_029_441, 2, 141),
    "residual_attention": (50_427_589, 50_427_589, 5, 224),
    "resnet50_dropout": (23_518_277, 23_518_277, 5, 224),
    "resnet50_frozen": (23_516_228, 8_196, 4, 224),
    "resnet50_frozen_drifting": (23_516_228, 8_196, 4, 224),
}
FROZEN = ("alexnet_hep2", "resnet50_frozen", "resnet50_frozen_drifting")


def rand(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_network_has_the_published_parameters_input_and_output(name: str) -> None:
    parameters, trainable, classes, side = PUBLISHED[name]
    with torch.device("meta"):
        model = build(name)
        assert model(torch.zeros(2, 3, side, side)).shape == (2, classes)
    assert (count_parameters(model), count_parameters(model, trainable=True)) == (parameters, trainable)
    assert find(name).input_size == side


def test_every_published_network_can_be_made_narrow(narrow: Narrow) -> None:
    assert narrow.name in PUBLISHED
    model = narrow.build()
    assert count_parameters(model) == narrow.parameters
    assert model(narrow.images()).shape == (2, PUBLISHED[narrow.name][2])


def test_every_classifier_takes_a_number_of_classes_and_of_channels() -> None:
    for entry in architectures():
        if entry.task == "classification":
            assert {"num_classes", "in_channels"} <= set(inspect.signature(entry.builder).parameters), entry.name


def test_five_channels_and_another_number_of_classes_fit(narrow: Narrow) -> None:
    classes = 2 if narrow.name == "malaria_vgg" else 3
    model = build(narrow.name, **narrow.arguments, num_classes=classes, in_channels=5)
    assert model(rand(2, 5, narrow.side, narrow.side)).shape == (2, classes)


def test_the_gradient_reaches_every_trainable_parameter_and_no_frozen_one(narrow: Narrow) -> None:
    model = narrow.build()
    with torch.no_grad():  # timm starts each residual branch at zero, through which no gradient flows
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
        if narrow.name == "densenet_attention":  # of its one hidden unit, which could be 0 for all images
            model.get_parameter("attention.gate.0.bias").fill_(1)
    nn.functional.cross_entropy(model(narrow.images(8)), torch.tensor([0, 1] * 4)).backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
        else:
            assert parameter.grad is None, key
    assert any(not p.requires_grad for p in model.parameters()) == (narrow.name in FROZEN)


def test_evaluation_is_deterministic_and_treats_images_one_by_one(narrow: Narrow) -> None:
    model, images = narrow.build().eval(), narrow.images()
    with torch.no_grad():
        assert torch.equal(model(images), model(images))
        assert torch.allclose(model(images), torch.cat([model(one[None]) for one in images]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "least"), [("alexnet_hep2", 63), ("densenet_dropout", 29), ("densenet_full_attention", 29)]
)
def test_images_that_are_too_small_for_the_poolings_are_rejected(name: str, least: int) -> None:
    with torch.device("meta"):
        model = build(name)
        model(torch.zeros(2, 3, least, least + 40))
        with pytest.raises(CytopipeError, match=f"{least - 1} x {least} px is too small: each side needs {least} px"):
            model(torch.zeros(2, 3, least - 1, least))


@pytest.mark.parametrize(("name", "least"), [("cell_background", 11), ("malaria_vgg", 42)])
def test_a_network_with_a_flattened_map_takes_only_one_image_size(name: str, least: int) -> None:
    with torch.device("meta"):
        model = build(name, input_size=least)
        assert model(torch.zeros(2, 3, least, least)).shape == (2, 2)
        with pytest.raises(CytopipeError, match=rf"{name}: an image of 64 x 64 px.*{least} px\n.*input_size: 64"):
            model(torch.zeros(2, 3, 64, 64))
    with pytest.raises(CytopipeError, match=f"{name}: argument 'input_size'"):
        build(name, input_size=least - 1)


@pytest.mark.parametrize("name", ["alexnet_hep2", "residual_attention", "resnet50_dropout", "densenet_attention"])
def test_other_networks_take_any_larger_image(name: str) -> None:
    with torch.device("meta"):
        assert build(name)(torch.zeros(2, 3, 97, 130)).shape[0] == 2


def test_alexnet_s_features_are_those_of_torchvision() -> None:
    with torch.device("meta"):
        ours, theirs = build("alexnet_hep2").features, torchvision.models.alexnet().features
    assert re.sub(", inplace=True|inplace=True|, dilation=1", "", str(theirs)) == re.sub(", dilation=1", "", str(ours))


def test_alexnet_s_features_can_be_trained_too() -> None:
    model = build("alexnet_hep2", width=4, frozen=False)
    assert count_parameters(model, trainable=True) == count_parameters(model)


def test_the_two_logits_of_malaria_vgg_are_a_sigmoid_unit() -> None:
    model = build("malaria_vgg", width=4, input_size=64).eval()
    logits = model(rand(4, 3, 64, 64) * 20)
    z, truth = logits[:, 1], torch.tensor([0, 1, 1, 0])
    assert (logits[:, 0] == 0).all() and z.std() > 0
    assert torch.allclose(logits.softmax(1)[:, 1], z.sigmoid())
    binary = nn.functional.binary_cross_entropy_with_logits(z, truth.float())
    assert torch.allclose(nn.functional.cross_entropy(logits, truth), binary)


def test_malaria_vgg_rejects_three_classes() -> None:
    with pytest.raises(CytopipeError, match="malaria_vgg: one sigmoid unit tells 2 classes apart, not 3"):
        build("malaria_vgg", num_classes=3)


def test_a_residual_unit_whose_last_convolution_is_zero_changes_nothing() -> None:
    unit = ResidualUnit(8, 8)
    nn.init.zeros_(unit.get_parameter("bottleneck.6.weight"))
    x = rand(2, 8, 5, 5)
    assert torch.equal(unit(x), x)
    assert unit.project is None and ResidualUnit(8, 8, stride=2)(x).shape == (2, 8, 3, 3)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_an_even_mask_of_a_half_scales_the_trunk_by_three_halves(depth: int) -> None:
    module = AttentionModule(8, depth).eval()
    nn.init.zeros_(module.get_parameter("mask.5.weight"))
    x = rand(2, 8, 13, 16)
    assert torch.allclose(module(x), module.last(1.5 * module.trunk(module.first(x))))


def test_the_mask_of_a_stage_sees_what_lies_far_away() -> None:
    def sees_the_other_corner(part: nn.Module) -> bool:
        x, seen = rand(1, 8, 32, 32).requires_grad_(), []
        handle = part.register_forward_hook(lambda _, __, output: seen.append(output))
        module(x)
        handle.remove()
        (gradient,) = torch.autograd.grad(seen[0][0, :, 0, 0].sum(), x)
        return bool((gradient[0, :, 24:, 24:] != 0).any())

    module = AttentionModule(8, depth=3).eval()
    assert sees_the_other_corner(module.mask) and not sees_the_other_corner(module.trunk)


def test_densenet_is_timm_s_but_for_the_attention() -> None:
    torch.manual_seed(3)
    ours = build("densenet_dropout", growth=8, blocks=[2, 2, 2, 2]).eval()
    theirs = timm.create_model("densenet121", growth_rate=8, block_config=(2, 2, 2, 2), num_classes=5).eval()
    theirs.load_state_dict(ours.get_submodule("backbone").state_dict())
    assert torch.equal(ours(rand(2, 3, 64, 64)), theirs(rand(2, 3, 64, 64)))


@pytest.mark.parametrize(("name", "older"), [("densenet_attention", 24), ("densenet_full_attention", 0)])
def test_attention_of_the_published_densenet_sees_the_newest_channels_alone(name: str, older: int) -> None:
    model = build(name, growth=8, blocks=[2, 2, 2, 2]).eval()
    assert isinstance(model, DenseNetDropout)
    features = rand(2, model.backbone.num_features, 3, 3) + 0.1
    changed = (model.attend(features) != features).flatten(2).all(2).all(0)
    assert len(changed) == 24 + 8
    assert changed[older:].all() and not changed[:older].any()


@pytest.mark.parametrize("name", ["densenet_attention", "densenet_full_attention"])
def test_an_open_gate_leaves_the_densenet_as_it_is(name: str) -> None:
    model = build(name, growth=8, blocks=[2, 2, 2, 2]).eval()
    nn.init.constant_(model.get_parameter("attention.gate.2.bias"), 100)
    images = rand(2, 3, 64, 64)
    assert torch.allclose(model(images), model.get_submodule("backbone")(images), atol=1e-6)
