from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from cytopipe.core.params import Runtime
from cytopipe.errors import CytopipeError
from cytopipe.models import determinism
from cytopipe.models.determinism import autocast, choose_device, choose_precision, prepare, seed_epoch
from cytopipe.results.model_spec import Precision


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the global settings of torch after each test."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.backends.nnpack.flags(enabled=True):
        yield
    torch.backends.mkldnn.deterministic = False  # type: ignore[assignment]  # wrongly typed in torch
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def runtime(threads: int = 1) -> Runtime:
    return Runtime(device="cpu", cpu="native", num_threads=threads, num_workers=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_set(threads: int) -> None:
    torch.set_num_threads(3 - threads)
    assert prepare(runtime(threads)) == torch.device("cpu")
    assert torch.get_num_threads() == threads


def test_nondeterministic_kernels_are_rejected() -> None:
    prepare(runtime())
    assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))


def test_kernels_whose_sums_depend_on_the_caches_or_the_run_are_off() -> None:
    prepare(runtime())
    assert torch.backends.mkldnn.deterministic and not torch.backends.nnpack.set_flags(False)[0]


def test_the_cublas_workspace_is_set_unless_the_user_has_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_auto_takes_cuda_if_it_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu").type == "cpu"


def test_missing_cuda_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(CytopipeError, match=r"runtime.device: no CUDA device.*\n.*use auto or cpu"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("has", "capability", "chosen"),
    [
        (("avx2", "avx512_bf16"), "AVX512", "bf16"),
        (("amx_bf16",), "AVX512", "bf16"),
        (("avx512_bf16",), "AVX2", "fp32"),  # runtime.cpu: portable
        (("avx2", "avx512f"), "AVX512", "fp32"),
        ((), "DEFAULT", "fp32"),
    ],
)
def test_auto_takes_bf16_where_the_processor_has_it_and_torch_may_use_it(
    monkeypatch: pytest.MonkeyPatch, has: tuple[str, ...], capability: str, chosen: Precision
) -> None:
    monkeypatch.setattr(determinism, "features", lambda: has)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert choose_precision("auto", torch.device("cpu")) == chosen


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_takes_bf16_where_the_gpu_has_it(
    monkeypatch: pytest.MonkeyPatch, supported: bool, chosen: Precision
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert choose_precision("auto", torch.device("cuda")) == chosen


@pytest.mark.parametrize("named", ["fp32", "bf16"])
def test_a_named_precision_is_taken_everywhere(named: Precision) -> None:
    assert choose_precision(named, torch.device("cpu")) == choose_precision(named, torch.device("cuda")) == named


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_rounds_only_in_bf16(precision: Precision, expected: torch.dtype) -> None:
    one = torch.ones(2, 2)
    with autocast(torch.device("cpu"), precision):
        assert (one @ one).dtype == expected
