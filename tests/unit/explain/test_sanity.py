from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cytopipe.explain.attribution import BLACK, Attribution
from cytopipe.explain.sanity import rank_correlation, untrained, verdict
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec

RNG = np.random.default_rng(0)


def spec() -> ModelSpec:
    return ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments={"num_classes": 2},
        classes=("a", "b"),
        channels="rgb",
        input_size=32,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        training_data_sha256="0" * 64,
    )


def test_a_method_that_ignores_the_model_fails() -> None:
    edges = np.abs(np.gradient(RNG.random((4, 8, 8)), axis=2))  # of the image, whatever the network is
    assert verdict(rank_correlation(edges, edges)) == {"correlation": pytest.approx(1.0), "passed": False}
    assert verdict(rank_correlation(edges, -3 * edges))["passed"] is False


def test_a_method_that_depends_on_the_weights_passes(images: Tensor, black: Tensor, white: Tensor) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(768, 2)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.fc(images.flatten(1) / 20)
            return logits

    targets = torch.zeros(3, dtype=torch.long)
    before, after = (Attribution(Weighted(), black, white, 2)(images, targets, 8)[BLACK] for _ in range(2))
    found = verdict(rank_correlation(before, after))
    assert found["passed"] and abs(found["correlation"]) < 0.3


def test_correlation_is_of_ranks_of_absolute_values() -> None:
    a = np.array([[[1.0, -2.0], [3.0, 4.0]]])
    assert rank_correlation(a, np.exp(np.abs(a))).tolist() == [pytest.approx(1.0)]
    assert rank_correlation(a, 1 / a).tolist() == [pytest.approx(-1.0)]


def test_a_map_that_vanishes_has_correlation_zero_and_an_empty_one_is_ignored() -> None:
    a, even = RNG.random((1, 4, 4)), np.zeros((1, 4, 4))
    assert rank_correlation(a, even).tolist() == [0.0]
    assert np.isnan(rank_correlation(even, a)).all()
    assert verdict(np.array([np.nan, 0.2])) == {"correlation": 0.2, "passed": True}
    assert verdict(np.array([np.nan])) == {"correlation": None, "passed": False}


def test_the_untrained_network_has_other_weights_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two = untrained(spec(), torch.device("cpu")), untrained(spec(), torch.device("cpu"))
    assert torch.equal(torch.rand(1), expected)
    state = build("timm/test_resnet", num_classes=2).state_dict()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert not torch.equal(one.state_dict()["fc.weight"], state["fc.weight"])
    assert not one.training
