from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cytopipe.core.params import Augmentation
from cytopipe.models.registry import build
from cytopipe.training.views import TwoViews, pooled_features, simsiam_loss, spread, vicreg_loss

X, Y = torch.tensor([[1.0, 0]]), torch.tensor([[0.0, 2]])


def test_the_loss_of_simsiam_is_the_negative_cosine_across_views() -> None:
    assert simsiam_loss((X, 3 * X), (5 * X, X)) == -1
    assert simsiam_loss((X, Y), (X, Y)) == 0
    assert simsiam_loss((X, -X), (X, -X)) == 1
    assert simsiam_loss((X, X + Y / 2), (X, X)).item() == pytest.approx(-(1 + math.sqrt(0.5)) / 2)


def test_no_gradient_reaches_the_projections_of_simsiam() -> None:
    projected, predicted = X.clone().requires_grad_(), Y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(simsiam_loss((X, X), (predicted, predicted)), predicted)
    assert gradient.abs().sum() > 0
    loss = simsiam_loss((projected, projected), (predicted, predicted))
    loss.backward()
    assert projected.grad is None and predicted.grad is not None


def test_the_loss_of_vicreg() -> None:
    both = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])  # variances 4/3, no covariance
    assert vicreg_loss(both, both) == 0
    shifted = both + torch.tensor([2.0, 0])  # a squared distance of 4 in one of two dimensions
    assert vicreg_loss(both, shifted).item() == pytest.approx(25 * 2)
    collapsed = torch.zeros(4, 2)
    assert vicreg_loss(collapsed, collapsed).item() == pytest.approx(25 * (1 - 0.01))
    equal = both[:, :1].repeat(1, 2)  # the covariance of the two dimensions is 4/3, twice in each matrix
    assert vicreg_loss(equal, equal).item() == pytest.approx(2 * 2 * (4 / 3) ** 2 / 2)


def test_spread_is_zero_after_a_collapse_and_near_one_without() -> None:
    assert spread(torch.ones(8, 16)) == 0
    assert spread(torch.randn(4096, 64, generator=torch.Generator().manual_seed(0))).item() == pytest.approx(
        1, abs=0.02
    )


def test_two_views_differ_and_depend_on_seed_epoch_and_index_alone() -> None:
    items = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 5), dtype=np.uint8)
    config = Augmentation(flips=True, brightness=0.3)
    both = TwoViews(config, 3)(items, 1, [4, 2], 4)
    assert both.shape == (2, 2, 8, 8, 4) and both.dtype == np.uint8
    assert not np.array_equal(both[:, 0], both[:, 1])
    assert np.array_equal(TwoViews(config, 3)(items, 1, [2], 4)[0], both[1])
    assert not np.array_equal(TwoViews(config, 4)(items, 1, [4, 2], 4), both)
    assert not np.array_equal(TwoViews(config, 3)(items, 2, [4, 2], 4), both)


@pytest.mark.parametrize(
    ("name", "arguments", "features"),
    [
        ("timm/test_resnet", {}, 96),
        ("timm/test_vit", {"img_size": 64}, 64),
        ("region_pooling", {"in_channels": 3, "hidden": 4, "turns": 2}, 128),
        ("malaria_vgg", {"input_size": 64}, None),
    ],
)
def test_features_are_what_enters_the_head(name: str, arguments: dict[str, object], features: int | None) -> None:
    model = build(name, num_classes=2, **arguments).eval()
    found = pooled_features(model, torch.rand(3, 3, 64, 64))
    assert found.ndim == 2 and len(found) == 3 and found.requires_grad
    assert features is None or found.shape[1] == features
