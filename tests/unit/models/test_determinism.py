from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
import torch

from cytopipe.errors import CytopipeError
from cytopipe.models.determinism import Precision, autocast, choose_device, choose_precision, prepare, seed_epoch
from cytopipe.params import Runtime


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch's global settings, as they were."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def runtime(threads: int = 1) -> Runtime:
    return Runtime(device="cpu", num_threads=threads, num_workers=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_the_parameters(threads: int) -> None:
    torch.set_num_threads(3 - threads)
    assert prepare(runtime(threads)) == torch.device("cpu")
    assert torch.get_num_threads() == threads


def test_kernels_that_differ_from_run_to_run_are_refused() -> None:
    prepare(runtime())
    assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))


def test_the_cublas_workspace_is_set_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(runtime())
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    prepare(runtime())
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


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
