"""What a rank says of its end: whether it failed itself, or lost the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.distributed as dist

from cytopipe.errors import CytopipeError
from cytopipe.training.rank_process import Failure


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:33123"),
        RuntimeError("[Rank 1] Watchdog caught collective operation timeout: NCCL"),
        dist.DistStoreError("wait timeout after 300000ms"),
    ],
)
def test_a_rank_whose_connection_ends_has_lost_another(error: Exception) -> None:
    assert Failure.of(error, 1).lost


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "/store/nccl/train.npy"),
        RuntimeError("the stored sizes differ"),
        CytopipeError("the loss is not finite", where="gloo"),
    ],
)
def test_a_rank_that_fails_itself_says_so_whatever_its_files_are_called(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the traceback is kept there
    assert not Failure.of(error, 1).lost
