from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from cytopipe.explain.attribution import (
    BLACK,
    BLURRED,
    GRAD_CAM,
    GUIDED,
    METHODS,
    RANDOM,
    Attribution,
    blurred,
    log_odds,
)
from cytopipe.explain.layers import last_feature_map

ONES = torch.ones(3, dtype=torch.long)


class Probability(nn.Module):
    """A classifier whose probability of class 1 is exactly linear: 0.5 + w . x."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        p = 0.5 + (images * self.weight).flatten(1).sum(1, keepdim=True).double()
        return torch.log(torch.cat([1 - p, p], dim=1))


class Features(nn.Module):
    """One 4 x 4 map of 2 channels (block means of red and green), pooled; class 1 is 3 red - green."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, kernel_size=4, stride=4, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.convolution.weight.zero_()
            self.convolution.weight[0, 0] = self.convolution.weight[1, 1] = 1 / 16
            self.fc.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, -1.0]]))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.relu(self.convolution(images)).mean((2, 3)))
        return logits


def small() -> nn.Sequential:
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    return nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()


def widen(network: nn.Sequential) -> None:
    """Large weights in the head, so that probabilities depend on the image."""
    head = network[3]
    assert isinstance(head, nn.Linear)
    nn.init.normal_(head.weight, std=6)


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_integrated_gradients_of_a_linear_model_are_exact(
    images: Tensor, black: Tensor, white: Tensor, steps: int
) -> None:
    weight = (torch.rand(3, 16, 16) - 0.5) / 2000
    attribution = Attribution(Probability(weight), black, white, 4)
    maps = attribution(images, ONES, steps)
    mean = attribution.random[: max(4, steps)].mean(0)
    # Steps are dealt in turn, so that 7 weigh three of the four baselines double.
    shares = [len(range(start, max(4, steps), 4)) / max(4, steps) for start in range(4)]
    weighed = sum(share * one for share, one in zip(shares, attribution.random, strict=True))
    starts = {BLACK: black, BLURRED: blurred(images), RANDOM: mean if steps == 1 else weighed}
    for method, start in starts.items():
        exact = ((images - start) * weight).sum(1).double().detach().numpy()
        np.testing.assert_allclose(maps[method], exact, rtol=1e-4, atol=1e-8)
    assert attribution.completeness_gaps(images, ONES, maps)[BLACK].max() < 1e-6


def test_maps_of_a_small_network_are_nearly_complete(images: Tensor, black: Tensor, white: Tensor) -> None:
    network = small()
    widen(network)
    attribution = Attribution(network, black, white, 5)
    targets = network(images).argmax(1)
    gaps = attribution.completeness_gaps(images, targets, attribution(images, targets, 100))
    change = np.abs(attribution.probability_of(images, targets) - attribution.probability_of(black, targets[:1]))
    assert change.max() > 0.05
    assert {method: gap.max() < 0.05 * change.max() for method, gap in gaps.items()} == dict.fromkeys(gaps, True)


def test_shared_steps_come_near_to_the_mean_over_every_baseline(images: Tensor, black: Tensor, white: Tensor) -> None:
    network = small()
    widen(network)
    attribution = Attribution(network, black, white, 4)
    integrated = IntegratedGradients(lambda x: torch.softmax(network(x), 1))
    full = [integrated.attribute(images, one.expand_as(images), ONES, n_steps=50).sum(1) for one in attribution.random]
    exact = torch.stack(full).mean(0).numpy()
    found = attribution(images, ONES, 200)[RANDOM]
    assert np.abs(found - exact).max() < 0.02 * np.abs(exact).max()


def test_grad_cam_of_a_known_network(images: Tensor, black: Tensor, white: Tensor) -> None:
    attribution = Attribution(Features(), black, white, 2)
    assert attribution.layer == "relu"
    one = torch.zeros(1, 3, 16, 16)
    one[0, 0, :4, :4] = 1.0  # red in one block, green in another: 3 for, 1 against
    one[0, 1, 12:, 12:] = 1.0
    found = attribution(one, ONES[:1], 1)[GRAD_CAM][0]
    # Each of 16 positions weighs 1 / 16 of the head's weight; bilinear upscaling leaves the corner as it is.
    assert found[0, 0] == pytest.approx(3 / 16)
    assert found[15, 15] == 0
    assert found[8:, :].max() == 0


def test_grad_cam_of_the_other_class_sees_the_other_block(black: Tensor, white: Tensor) -> None:
    one = torch.zeros(1, 3, 16, 16)
    one[0, 0, :4, :4] = one[0, 1, 12:, 12:] = 1.0
    found = Attribution(Features(), black, white, 2)(one, torch.tensor([0]), 1)[GRAD_CAM][0]
    assert found[0, 0] == 0 and found[15, 15] == pytest.approx(1 / 16)


def test_guided_back_propagation_stops_negative_gradients(images: Tensor, black: Tensor, white: Tensor) -> None:
    plain = images.clone().requires_grad_()
    network = Features()
    log_odds(network(plain))[:, 1].sum().backward()
    assert plain.grad is not None and (plain.grad < 0).any()
    found = Attribution(network, black, white, 2)(images, ONES, 1)[GUIDED]
    # Green's gradient is negative at the ReLU and stops there; red's 3 / 16 positions / 16 px remains.
    np.testing.assert_allclose(found, 3 / 256, rtol=1e-5)


def test_all_methods_of_a_relu_network_are_made_and_its_outputs_stay(
    images: Tensor, black: Tensor, white: Tensor
) -> None:
    network = small()
    before = network(images)
    attribution = Attribution(network, black, white, 3)
    maps = attribution(images, ONES, 4)
    assert tuple(maps) == METHODS and attribution.skipped == {}
    assert all(values.shape == (3, 16, 16) and np.isfinite(values).all() for values in maps.values())
    assert torch.equal(network(images), before)


def test_maps_are_the_same_again_and_do_not_depend_on_the_batch(images: Tensor, black: Tensor, white: Tensor) -> None:
    network = small()
    whole = Attribution(network, black, white, 3)(images, ONES, 6)
    again = Attribution(network, black, white, 3)(images, ONES, 6)
    single = Attribution(network, black, white, 3)(images[1:2], ONES[:1], 6)
    for method in whole:
        assert np.array_equal(whole[method], again[method])
        np.testing.assert_allclose(single[method][0], whole[method][1], rtol=1e-3, atol=1e-6)


def test_large_images_are_explained_a_few_at_a_time(
    images: Tensor, black: Tensor, white: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    attribution = Attribution(small(), black, white, 3)
    whole = attribution(images, ONES, 6)
    monkeypatch.setattr("cytopipe.explain.attribution.PIXELS", 2 * 16 * 16)
    assert attribution.at_once(images) == 2
    for method, values in attribution(images, ONES, 6).items():
        np.testing.assert_allclose(values, whole[method], rtol=1e-3, atol=1e-6)


def test_log_odds_stay_finite_where_the_softmax_rounds() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.5, -0.5, 0.25]])
    found = log_odds(logits)
    p = torch.softmax(logits[1].double(), 0)
    torch.testing.assert_close(found[1], torch.log(p / (1 - p)))
    assert torch.isfinite(found).all() and found[0, 0] == pytest.approx(200 - np.log(2))


def test_methods_without_a_map_or_relu_are_skipped_with_a_reason(images: Tensor, black: Tensor, white: Tensor) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 4), nn.GELU(), nn.Linear(4, 2))
    attribution = Attribution(network, black, white, 2)
    assert attribution.methods == [RANDOM, BLACK, BLURRED]
    assert attribution.skipped[GRAD_CAM] == "the network has no feature map of 3 x 3 positions or more"
    assert attribution.skipped[GUIDED] == "the method is defined for ReLU alone, and the network has GELU"
    assert list(attribution(images, ONES, 2)) == attribution.methods


def test_a_blurred_image_keeps_its_mean_colour_and_loses_its_details(images: Tensor) -> None:
    found = blurred(images)
    assert found.shape == images.shape
    assert found.std() < 0.3 * images.std()
    even = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(blurred(even), even)
    assert last_feature_map(small(), images)[0] == "0"
