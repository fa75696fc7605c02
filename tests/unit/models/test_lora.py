from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from cytopipe.models.lora import LowRank, add_low_rank, merge_low_rank
from cytopipe.models.registry import build


def adapters(model: nn.Module) -> list[LowRank]:
    return [part for part in model.modules() if isinstance(part, LowRank)]


def test_a_change_is_alpha_over_rank_times_the_product() -> None:
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    change = LowRank(layer.weight, rank=1, alpha=2)
    assert torch.equal(change(layer.weight), layer.weight)  # nothing at first
    change.down.data, change.up.data = torch.tensor([[1.0, 2, 3]]), torch.tensor([[1.0], [-1]])
    assert change(layer.weight).tolist() == [[3, 4, 6], [-2, -3, -6]]


@pytest.mark.parametrize("network", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_the_merged_network_gives_the_very_logits_of_the_changed_one(network: str) -> None:
    model = build(f"timm/{network}", num_classes=3).eval().to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 160, 160)
    before, keys = model(images), set(model.state_dict())
    head = model.get_classifier()  # type: ignore[operator]
    assert add_low_rank(model, 4, 8, head) == len(adapters(model)) > 3
    assert torch.equal(model(images), before)
    for change in adapters(model):
        nn.init.normal_(change.up, std=0.05)
    changed = model(images)
    assert not torch.allclose(changed, before, atol=1e-3)
    merge_low_rank(model)
    assert torch.equal(model(images), changed)
    assert set(model.state_dict()) == keys and not adapters(model)


def test_all_but_the_changes_and_the_head_is_frozen() -> None:
    model = build("timm/test_resnet", num_classes=3)
    head = model.get_submodule("fc")
    add_low_rank(model, 4, 8, head)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name.rpartition(".")[2] for name in trained} == {"up", "down", "weight", "bias"}
    assert {name for name in trained if name.endswith(("weight", "bias"))} == {"fc.weight", "fc.bias"}


def test_a_weight_with_fewer_numbers_than_its_change_stays_as_it_is() -> None:
    layers = nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3))  # 8 x 9 and 8 x 72 numbers
    assert add_low_rank(layers, 5, 5) == 1
    assert [parametrize.is_parametrized(layer) for layer in layers] == [False, True]
    assert add_low_rank(nn.Sequential(nn.Linear(4, 4)), 2, 2) == 0  # 16 numbers either way
