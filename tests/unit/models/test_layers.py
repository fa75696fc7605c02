from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cytopipe.models.layers import CBAM, AttentionGate, SqueezeExcitation, adaptive_mean, glorot, he
from cytopipe.models.registry import count_parameters


def fill(module: nn.Module, value: float) -> None:
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)


def image() -> Tensor:
    return torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])


def test_squeeze_excitation_with_zero_weights_halves_its_input() -> None:
    block = SqueezeExcitation(1)
    fill(block, 0)
    assert torch.equal(block(image()), image() / 2)


def test_squeeze_excitation_gates_by_the_mean_of_each_channel() -> None:
    block = SqueezeExcitation(1)
    fill(block, 1)
    assert torch.allclose(block(image()), image() * torch.sigmoid(torch.tensor(3.0)))


def test_squeeze_excitation_counts_agree_with_the_published_systems() -> None:
    assert count_parameters(SqueezeExcitation(768)) == 2 * 768 * 48
    assert count_parameters(SqueezeExcitation(32, bias=True)) == 162


def test_cbam_adds_the_gates_of_mean_and_maximum_before_its_sigmoid() -> None:
    block = CBAM(1)
    fill(block.mlp, 1)
    fill(block.spatial, 0)
    # Each pool p gives 1 * relu(1 * p + 1) + 1 = p + 2; the mean is 3, the maximum 6.
    expected = image() * torch.sigmoid(torch.tensor(13.0)) / 2
    assert torch.allclose(block(image()), expected)


def test_cbam_spatial_gate_sees_a_window_of_seven_pixels() -> None:
    block = CBAM(2)
    fill(block.mlp, 0)
    fill(block.spatial, 1)
    x = torch.zeros(1, 2, 9, 9)
    x[0, :, 4, 4] = torch.tensor([2.0, 6.0])
    # Channel gates of .5 make them 1 and 3: mean 2, maximum 3, bias 1.
    out = block(x)
    assert torch.allclose(out[0, :, 4, 4], torch.tensor([1.0, 3.0]) * torch.sigmoid(torch.tensor(6.0)))
    x[0, :, 4, 8] = 1.0
    assert torch.equal(block(x)[0, :, 4, 4], out[0, :, 4, 4])
    x[0, :, 4, 7] = 1.0
    assert not torch.equal(block(x)[0, :, 4, 4], out[0, :, 4, 4])


def test_cbam_of_few_channels_keeps_one_hidden_unit() -> None:
    assert count_parameters(CBAM(4)) == (4 + 1) + (4 + 4) + (2 * 49 + 1)


def test_attention_gate_weighs_the_skip_by_the_sum_of_both_inputs() -> None:
    gate = AttentionGate(gating_channels=1, skip_channels=1, hidden=1)
    fill(gate, 1)
    gating = torch.full((1, 1, 2, 2), 2.0)
    assert torch.allclose(gate(gating, image()), image() * torch.sigmoid(image() + 5))


def test_attention_gate_has_biases_and_no_normalisation() -> None:
    assert count_parameters(AttentionGate(256, 384, 128)) == (256 + 1 + 384 + 1) * 128 + 128 + 1


@pytest.mark.parametrize("size", [(6, 6), (8, 8), (1, 1), (9, 17), (5, 31)])
def test_adaptive_mean_is_adaptive_average_pooling(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(adaptive_mean(x, 6), nn.functional.adaptive_avg_pool2d(x, 6), atol=1e-6)


def test_glorot_draws_weights_within_its_bound_and_sets_biases_to_zero() -> None:
    for layer, bound in ((nn.Conv2d(2, 4, 3), math.sqrt(6 / (18 + 36))), (nn.Linear(10, 5), math.sqrt(6 / 15))):
        layer.apply(glorot)
        assert 0.8 * bound < layer.weight.abs().max() <= bound
        assert layer.bias is not None and not layer.bias.any()


def test_he_keeps_the_signal_of_a_deep_network_without_normalisation() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*[part for _ in range(9) for part in (nn.Linear(256, 256), nn.ReLU())])
    signal = torch.randn(64, 256)
    vanished = network(signal).square().mean()
    kept = network.apply(he)(signal).square().mean()
    assert vanished < 0.01 * kept
    assert 0.2 < kept / signal.square().mean() < 5
    assert all(not layer.bias.any() for layer in network if isinstance(layer, nn.Linear))
