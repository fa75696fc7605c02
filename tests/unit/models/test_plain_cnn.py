"""The plain network takes its topology as arguments."""

from __future__ import annotations

import pytest
import torch

from cytopipe.errors import CytopipeError
from cytopipe.models.registry import build


@pytest.mark.parametrize("side", [5, 16, 33])
def test_any_size_of_image_gives_a_logit_a_class(side: int) -> None:
    network = build("plain_cnn", num_classes=3, in_channels=5, depth=4, width=2, kernel_sizes=[5, 3, 3, 1])
    assert network.eval()(torch.zeros(2, 5, side, side)).shape == (2, 3)


def test_depth_and_width_change_the_layers() -> None:
    network = build("plain_cnn", depth=3, width=4, kernel_sizes=5, convolutions=2, activation="silu")
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [4, 4, 8, 8, 16, 16]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}
    assert sum(isinstance(layer, torch.nn.SiLU) for layer in network.modules()) == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel_sizes": 4}, "even"),
        ({"depth": 3, "kernel_sizes": [3, 3]}, "2 kernel_sizes for 3 blocks"),
        ({"activation": "tanh"}, "activation"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(CytopipeError, match=words):
        build("plain_cnn", **arguments)
