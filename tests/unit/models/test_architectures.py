from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import build, count_parameters

CLASSIFIERS = ("convnext_attention", "convnext_token_attention")


def build_on_meta(name: str, **arguments: object) -> nn.Module:
    """Build a network without memory or initialisation, to count its parameters."""
    with torch.device("meta"):
        return build(name, **arguments)


def images(channels: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


def test_segmenter_has_the_published_number_of_parameters() -> None:
    model = build_on_meta("attention_unet")
    assert count_parameters(model) == 35_515_442
    assert [count_parameters(one) for one in model.get_submodule("decoders").children()] == [3_848_360, 3_848_360]
    assert [count_parameters(one) for one in model.get_submodule("heads").children()] == [65, 65]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_has_the_published_number_of_parameters(name: str) -> None:
    model = build_on_meta(name, num_classes=5, in_channels=5)
    assert count_parameters(model) == 29_474_917
    assert count_parameters(model.get_submodule("backbone")) == 27_821_664


def test_segmenter_returns_logits_of_each_head_at_input_resolution() -> None:
    model = build("attention_unet", encoder="test_convnext", decoder_widths=[16, 8, 8]).eval()
    logits = model(images(3, 64, 96))
    assert list(logits) == ["cyt", "nuc"]
    assert all(x.shape == (2, 1, 64, 96) for x in logits.values())


def test_segmenter_returns_logits_not_probabilities() -> None:
    model = build("attention_unet", encoder="test_convnext", decoder_widths=[16, 8, 8]).eval()
    for value, head in ((-7.0, "cyt"), (7.0, "nuc")):
        nn.init.zeros_(model.get_parameter(f"heads.{head}.weight"))
        nn.init.constant_(model.get_parameter(f"heads.{head}.bias"), value)
    logits = model(images(3))
    assert (logits["cyt"] == -7).all() and (logits["nuc"] == 7).all()


def test_each_head_has_a_decoder_of_its_own_on_a_shared_encoder() -> None:
    model = build("attention_unet", encoder="test_convnext", decoder_widths=[16, 8, 8])
    model(images(3))["nuc"].sum().backward()
    assert all(p.grad is None for p in model.get_submodule("decoders.cyt").parameters())
    for part in ("decoders.nuc", "heads.nuc", "encoder"):
        assert all(p.grad is not None for p in model.get_submodule(part).parameters())


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenetv2_100"])
def test_segmenter_leaves_out_feature_maps_that_the_decoder_does_not_use(encoder: str) -> None:
    model = build("attention_unet", encoder=encoder, heads=["cell"], in_channels=1).eval()
    features: Any = model.get_submodule("encoder").feature_info
    assert features.reduction() == [4, 8, 16, 32]
    assert model(images(1, 32, 32))["cell"].shape == (2, 1, 32, 32)


def test_segmenter_takes_encoders_that_work_channels_last() -> None:
    model = build("attention_unet", encoder="swin_tiny_patch4_window7_224", decoder_widths=[8, 8, 8]).eval()
    with torch.no_grad():
        assert model(images(3, 224, 224)[:1])["cyt"].shape == (1, 1, 224, 224)


def test_segmenter_refuses_sides_that_are_no_multiple_of_32() -> None:
    model = build("attention_unet", encoder="test_convnext")
    with pytest.raises(CytopipeError, match=r"64 x 60 px does not fit.*multiples of 32"):
        model(images(3, 64, 60))


@pytest.mark.parametrize("encoder", ["vit_tiny_patch16_224", "test_vit"])
def test_segmenter_refuses_an_encoder_without_a_pyramid(encoder: str) -> None:
    with pytest.raises(CytopipeError, match=rf"{encoder}: its feature maps have strides \[16"):
        build("attention_unet", encoder=encoder)


def test_segmenter_refuses_a_head_that_is_named_twice() -> None:
    with pytest.raises(CytopipeError, match="'heads' names a structure twice"):
        build("attention_unet", encoder="test_convnext", heads=["cyt", "cyt"])


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("channels", [3, 5])
def test_classifier_returns_one_logit_per_class(name: str, channels: int) -> None:
    model = build(name, num_classes=7, in_channels=channels, backbone="test_convnext")
    assert model(images(channels)).shape == (2, 7)


def test_classifier_takes_any_backbone_with_feature_maps() -> None:
    model = build("convnext_token_attention", backbone="mobilenetv2_100", widths=[16, 8]).eval()
    assert model(images(5)).shape == (2, 5)


def test_classifier_refuses_heads_that_do_not_divide_its_width() -> None:
    with pytest.raises(CytopipeError, match="attention_heads: 3 does not divide"):
        build("convnext_attention", backbone="test_convnext", attention_heads=3)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_layer_of_the_classifier_is_in_use(name: str) -> None:
    model = build(name, backbone="test_convnext")
    model(images(5)).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def projection_gradients(name: str) -> dict[str, float]:
    """Norm of the gradient of the loss with respect to the query, key and value projections."""
    torch.manual_seed(0)
    model = build(name, backbone="test_convnext", widths=[64, 32], dropout=[0, 0])
    nn.functional.cross_entropy(model(images(5)), torch.tensor([0, 3])).backward()
    gradient = model.get_parameter("attention.in_proj_weight").grad
    assert gradient is not None
    parts = gradient.chunk(3)
    return {key: float(part.norm()) for key, part in zip(("query", "key", "value"), parts, strict=True)}


def test_attention_over_one_pooled_vector_leaves_query_and_key_untrained() -> None:
    norms = projection_gradients("convnext_attention")
    assert norms["value"] > 0
    assert max(norms["query"], norms["key"]) < 1e-6 * norms["value"]


def test_attention_over_positions_trains_query_and_key() -> None:
    norms = projection_gradients("convnext_token_attention")
    assert min(norms["query"], norms["key"]) > 1e-3 * norms["value"] > 0


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_attention_is_residual(name: str) -> None:
    model = build(name, backbone="test_convnext").eval()
    nn.init.zeros_(model.get_parameter("attention.out_proj.weight"))
    nn.init.zeros_(model.get_parameter("attention.out_proj.bias"))
    first, second = model(images(5))
    assert not torch.allclose(first, second, atol=1e-6)


def test_both_variants_share_their_weights_and_agree_on_a_map_of_one_position() -> None:
    faithful = build("convnext_attention", backbone="test_convnext").eval()
    corrected = build("convnext_token_attention", backbone="test_convnext").eval()
    corrected.load_state_dict(faithful.state_dict())
    one = images(5, 32, 32)
    assert torch.allclose(faithful(one), corrected(one), atol=1e-6)
    assert not torch.allclose(faithful(images(5)), corrected(images(5)), atol=1e-6)


def test_alexnet_starts_as_he_proposed_if_all_of_it_is_trained() -> None:
    trained, frozen = (build("alexnet_hep2", width=16, frozen=frozen) for frozen in (False, True))
    for network, deviation in ((trained, (2 / 1024) ** 0.5), (frozen, (1 / 3 / 1024) ** 0.5)):
        assert float(network.get_parameter("head.4.weight").detach().std()) == pytest.approx(deviation, rel=0.05)
