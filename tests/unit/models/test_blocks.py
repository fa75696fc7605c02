from __future__ import annotations

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.blocks import backbone_prefix, layers_of
from cytopipe.models.lora import add_low_rank
from cytopipe.models.registry import build


def test_layers_count_from_the_stem_to_the_head() -> None:
    layers = layers_of(build("timm/test_resnet", num_classes=2))
    assert sorted(set(layers.values())) == [0, 1, 2, 3, 4, 5]
    assert layers["conv1.0.weight"] == layers["bn1.bias"] == 0
    assert [layers[f"layer{stage}.0.conv1.weight"] for stage in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert layers["fc.weight"] == layers["fc.bias"] == 5


def test_a_new_head_and_low_rank_changes_do_not_move_a_layer() -> None:
    plain = build("timm/test_vit", num_classes=2)
    changed = build("timm/test_vit", num_classes=2)
    add_low_rank(changed, 2, 2, changed.get_submodule("head"))
    before, after = layers_of(plain), layers_of(changed)
    assert after["blocks.3.mlp.fc1.parametrizations.weight.0.up"] == before["blocks.3.mlp.fc1.weight"] == 4
    assert after["blocks.3.mlp.fc1.parametrizations.weight.original"] == 4
    assert max(after.values()) == max(before.values()) == 7
    assert before["cls_token"] == 0 and before["norm.weight"] == 6  # the norm belongs to the block before it


@pytest.mark.parametrize(
    ("network", "last", "deepest"),
    [
        ("test_resnet", 5, "encoder.layer4.0.conv1.weight"),
        ("test_convnext", 10, "encoder.stages_3.blocks.1.conv_dw.weight"),
        ("test_efficientnet", 6, "encoder.blocks.4.0.conv_pw.weight"),
    ],
)
def test_an_encoder_has_the_layers_of_the_whole_model_and_its_decoder_is_the_last(
    network: str, last: int, deepest: str
) -> None:
    layers = layers_of(build("attention_unet", encoder=network, decoder_widths=(8, 8, 8)))
    assert max(layers.values()) == last
    assert layers[deepest] == last - 1
    assert {layer for name, layer in layers.items() if not name.startswith("encoder.")} == {last}
    assert min(layer for name, layer in layers.items() if name.startswith("encoder.")) == 0


def test_blocks_behind_the_last_map_of_an_encoder_belong_to_the_one_that_gives_it() -> None:
    layers = layers_of(build("region_pooling", hidden=4, num_classes=2))  # maps of strides 8 and 16
    last = max(layers.values())
    assert layers["classifier.2.weight"] == last
    for name in ("backbone.blocks.4.2.conv_pw.weight", "backbone.blocks.6.0.conv_pw.weight"):
        assert layers.get(name, last - 1) == last - 1
    assert layers["backbone.blocks.4.1.conv_pw.weight"] == last - 2


def test_a_wrapped_model_has_the_layers_of_the_model_itself() -> None:
    wrapped = build("resnet50_dropout", backbone="test_resnet", num_classes=2)
    assert backbone_prefix(wrapped) == "backbone."
    inner = layers_of(build("timm/test_resnet", num_classes=2))
    assert layers_of(wrapped) == {f"backbone.{name}": layer for name, layer in inner.items()}


@pytest.mark.parametrize(("name", "arguments"), [("malaria_vgg", {}), ("cell_background", {"width": 4})])
def test_a_network_without_a_backbone_of_timm_is_refused_in_words(name: str, arguments: dict[str, int]) -> None:
    with pytest.raises(CytopipeError, match="no backbone of timm"):
        layers_of(build(name, **arguments))
