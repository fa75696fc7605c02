from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cytopipe.core.params import Training
from cytopipe.training.losses import Loss, Name, make_loss

HALF = torch.tensor([[math.log(2), 0.0, 0.0]])  # probabilities 1/2, 1/4 and 1/4
BINARY = torch.tensor([[0.0, math.log(3)]])  # probabilities 1/4 and 3/4
NAMES: tuple[Name, ...] = ("ce", "bce", "smooth_l1", "focal")


def shares(*values: float) -> torch.Tensor:
    return torch.tensor([values])


@pytest.mark.parametrize(
    ("loss", "logits", "label", "expected"),
    [
        (Loss("ce"), HALF, 0, math.log(2)),
        (Loss("ce"), HALF, 1, math.log(4)),
        # Class 0 against the rest: sigmoid(log 2) = 2/3; the others: sigmoid(0) = 1/2 each.
        (Loss("bce"), HALF, 0, math.log(3 / 2) + 2 * math.log(2)),
        (Loss("bce"), HALF, 1, math.log(3) + 2 * math.log(2)),
        (Loss("smooth_l1"), HALF, 0, (0.5**2 + 0.25**2 + 0.25**2) / 2),
        (Loss("smooth_l1"), HALF, 1, (0.5**2 + 0.75**2 + 0.25**2) / 2),
        (Loss("focal", gamma=2), HALF, 0, 0.5**2 * math.log(2)),
        (Loss("focal", gamma=2), HALF, 1, 0.75**2 * math.log(4)),
        (Loss("focal", gamma=0), HALF, 1, math.log(4)),
        (Loss("focal", gamma=1), BINARY, 1, 0.25 * math.log(4 / 3)),
    ],
)
def test_a_loss_of_one_image_is_exact(loss: Loss, logits: torch.Tensor, label: int, expected: float) -> None:
    assert float(loss(logits, torch.tensor([label]))) == pytest.approx(expected)
    assert float(loss(logits, F.one_hot(torch.tensor([label]), logits.shape[1]).float())) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Loss("ce"), 0.25 * math.log(2) + 0.75 * math.log(4)),
        (Loss("bce"), -0.25 * math.log(2 / 3) - 0.75 * math.log(1 / 3) + 2 * math.log(2)),
        (Loss("smooth_l1"), (0.25**2 + 0.5**2 + 0.25**2) / 2),
        (Loss("focal", gamma=2), 0.25 * 0.5**2 * math.log(2) + 0.75 * 0.75**2 * math.log(4)),
    ],
)
def test_a_loss_of_soft_targets_is_exact(loss: Loss, expected: float) -> None:
    assert float(loss(HALF, shares(0.25, 0.75, 0.0))) == pytest.approx(expected)


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    for name in NAMES:
        smoothed = Loss(name, label_smoothing=0.3)
        assert float(smoothed(HALF, torch.tensor([0]))) == pytest.approx(float(Loss(name)(HALF, shares(0.8, 0.1, 0.1))))
        assert smoothed.unsmoothed == Loss(name)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_one_hot_targets_equals_that_of_indices(smoothing: float, weighted: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(7, 4, generator=rng), torch.randint(4, (7,), generator=rng)
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0]) if weighted else None
    expected = F.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
    loss = Loss("ce", weights, smoothing)
    assert torch.equal(loss(logits, labels), expected)
    assert float(loss(logits, F.one_hot(labels, 4).float())) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_weight_of_its_class(name: Name) -> None:
    logits, labels = torch.tensor([[1.0, 0.0], [0.5, -1.0]]), torch.tensor([0, 1])
    first, second = (float(Loss(name)(logits[[i]], labels[[i]])) for i in (0, 1))
    weighted = Loss(name, torch.tensor([1.0, 3.0]))(logits, labels)
    assert float(weighted) == pytest.approx((first + 3 * second) / 4)


def test_a_binary_network_of_one_unit_trains_as_with_binary_cross_entropy() -> None:
    values, labels = torch.tensor([0.3, -2.0, 1.5]), torch.tensor([1, 1, 0])
    weights = torch.tensor([1.0, 2.0])
    for given in (None, weights):
        one, two = values.clone().requires_grad_(), values.clone().requires_grad_()
        Loss("bce", given)(torch.stack([torch.zeros(3), one], dim=1), labels).backward()
        each = F.binary_cross_entropy_with_logits(two, labels.float(), reduction="none")
        of_images = torch.ones(3) if given is None else given[labels]
        ((each * of_images).sum() / of_images.sum()).backward()
        assert one.grad is not None and two.grad is not None
        assert one.grad.tolist() == pytest.approx(two.grad.tolist())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_a_finite_gradient_for_a_certain_network(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    Loss("focal", gamma=gamma)(logits, torch.tensor([0])).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_a_recipe_names_the_loss_and_its_labels_balance_it() -> None:
    recipe = Training(epochs=1, batch_size=1, loss="focal", focal_gamma=3, label_smoothing=0.1)
    assert make_loss(recipe, np.array([0, 0, 1]), 2, torch.device("cpu")) == Loss("focal", None, 0.1, 3)
    balanced = recipe.model_copy(update={"class_weights": "balanced"})
    weights = make_loss(balanced, np.array([0, 0, 0, 1]), 2, torch.device("cpu")).weights
    assert weights is not None and weights.tolist() == pytest.approx([4 / 6, 2])
