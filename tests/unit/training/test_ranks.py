"""Two ranks on the processor find what one process does: sums, batch normalisation, the loss of a segmenter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import two_ranks as two
from cytopipe.training.data import Batch
from cytopipe.training.losses import Loss

Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    return two.on_two_ranks(tmp_path_factory.mktemp("ranks"))


def equal(first: Found, second: Found, tolerance: float) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        if value is None:
            assert second[name] is None, name
        else:
            np.testing.assert_allclose(value, second[name], rtol=tolerance, atol=tolerance, err_msg=name)


def test_every_rank_has_the_sum_of_all(found: list[Found]) -> None:
    for one in found:
        assert one["sums"]["added"] == [0, 11, 22, 33, 44]
        assert one["sums"]["few"] == [2]
        assert one["sums"]["said"] == {"rank": 0}
    assert [one["sums"]["total"] for one in found] == [(6, 0.5, 2)] * 2


def test_the_gradient_of_a_sum_is_that_of_what_all_ranks_make_of_it(found: list[Found]) -> None:
    # d/dx of (x + y)^2, half of which each rank counts, for x + y = (3, 5)
    assert [one["sums"]["gradient"] for one in found] == [[6, 10]] * 2


def test_batch_normalisation_and_weighted_losses_are_those_of_one_process(found: list[Found]) -> None:
    model, every, target = two.network(), two.images(), torch.tensor([0, 1, 0, 0, 1])
    Loss("ce", torch.tensor([1.0, 5.0]))(model(every), target).backward()
    alone = two.state(model)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    for one in found:
        equal(one["norm"]["gradients"], alone["gradients"], 1e-5)
        equal(one["norm"]["statistics"], alone["statistics"], 1e-6)
        np.testing.assert_allclose(one["norm"]["judged"], model.eval()(every).detach(), rtol=1e-5, atol=1e-5)
    first, second = (one["norm"]["gradients"] for one in found)
    assert all(np.array_equal(first[name], second[name]) for name in first if first[name] is not None)


@pytest.mark.parametrize("count", [3, 1])
def test_the_dice_loss_is_that_of_all_windows_of_a_step(found: list[Found], count: int) -> None:
    task, every = two.segmenter(), two.windows(count)
    loss, measures = task.step(Batch(every, torch.arange(count)))
    loss.backward()
    alone = two.state(task.model)["gradients"]
    for one in found:
        shared = one["segmenter"][str(count)]
        assert shared["loss"] == pytest.approx(float(loss.detach()), abs=1e-6)
        assert shared["dice"] == pytest.approx(float(measures["dice"]), abs=1e-6)
        equal(shared["gradients"], alone, 1e-6)
