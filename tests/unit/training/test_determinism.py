from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from cytopipe.errors import CytopipeError
from cytopipe.training.determinism import Precision, autocast, choose_device, choose_precision, seed_epoch


def test_an_epoch_seeds_torch_by_seed_and_number_alone() -> None:
    def draw(seed: int, epoch: int) -> list[float]:
        seed_epoch(seed, epoch)
        drawn: list[float] = torch.rand(3).tolist()
        return drawn

    first = draw(0, 1)
    assert draw(0, 1) == first
    assert first not in (draw(0, 0), draw(1, 1), draw(1, 0))


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu").type == "cpu"


def test_cuda_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(CytopipeError, match=r"runtime.device: no CUDA device.*\n.*use auto or cpu"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen"), [(1.0, 0.4, "bf16"), (1.0, 0.9, "fp32"), (1.0, 2.5, "fp32"), (1.0, 0.86, "bf16")]
)
def test_auto_takes_bf16_only_where_it_is_measured_to_be_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, fp32: float, bf16: float, chosen: Precision
) -> None:
    now = 0.0
    slow_start: Iterator[float] = iter([5.0, 3.0, 0.0, 0.0, 0.0, 0.0])

    def step(precision: Precision) -> None:
        nonlocal now
        now += next(slow_start) + {"fp32": fp32, "bf16": bf16}[precision]

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert choose_precision("auto", step) == chosen


@pytest.mark.parametrize("named", ["fp32", "bf16"])
def test_a_named_precision_is_not_measured(named: Precision) -> None:
    def step(precision: Precision) -> None:
        raise AssertionError

    assert choose_precision(named, step) == named


def test_autocast_rounds_only_where_asked() -> None:
    one = torch.ones(2, 2)
    for precision, expected in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(torch.device("cpu"), precision):  # type: ignore[arg-type]  # a literal in a loop
            assert (one @ one).dtype == expected
