from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from cytopipe.training.checkpoint import Checkpoint

STATE: dict[str, Any] = {"model": {"weight": torch.arange(1000.0)}, "history": [{"epoch": 1, "val_loss": 0.5}]}


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint(tmp_path / "train" / "key")
    checkpoint.save(STATE)
    return checkpoint


def file_of(checkpoint: Checkpoint) -> Path:
    (file,) = checkpoint.folder.iterdir()
    return file


def test_a_saved_state_is_loaded_unchanged(saved: Checkpoint) -> None:
    state = saved.load()
    assert state is not None
    assert torch.equal(state["model"]["weight"], STATE["model"]["weight"])
    assert state["history"] == STATE["history"]


def test_there_is_no_state_before_the_first_save(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none").load() is None


def test_torch_loads_a_flipped_bit_without_an_error() -> None:
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    data = bytearray(buffer.getvalue())
    data[data.find(STATE["model"]["weight"].numpy().tobytes())] ^= 1
    weight = torch.load(io.BytesIO(data), weights_only=True)["model"]["weight"]
    assert not torch.equal(weight, STATE["model"]["weight"])


@pytest.mark.parametrize("place", [0, 31, 32, 2000, -1])
def test_a_flipped_bit_is_noticed_and_training_starts_over(
    saved: Checkpoint, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    flip(file_of(saved), place)
    assert saved.load() is None
    assert "is damaged: training starts again from the first epoch" in caplog.text


@pytest.mark.parametrize("size", [0, 10, 32, 1000])
def test_a_truncated_file_is_noticed(saved: Checkpoint, size: int) -> None:
    os.truncate(file_of(saved), size)
    assert saved.load() is None


def test_a_checkpoint_of_another_version_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = b"a format that this torch does not know"
    (tmp_path / "last.pt").write_bytes(hashlib.sha256(content).digest() + content)
    assert Checkpoint(tmp_path).load() is None
    assert "last.pt cannot be read" in caplog.text and "starts again from the first epoch" in caplog.text


def test_an_error_while_saving_keeps_the_last_checkpoint(saved: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        saved.save({"model": {}, "history": []})
    state = saved.load()
    assert state is not None and state["history"] == STATE["history"]
