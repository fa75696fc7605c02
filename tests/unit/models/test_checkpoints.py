from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cytopipe.errors import CytopipeError
from cytopipe.models.checkpoints import read_checkpoint


class Bomb:
    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return (Path.touch, (Path("exploded"),))


class Glutton:
    def __reduce__(self) -> tuple[type, tuple[int]]:
        return (bytearray, (1 << 40,))


def saved(value: Any, legacy: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file


def refusal(file: io.BytesIO) -> str:
    with pytest.raises(CytopipeError) as caught:
        read_checkpoint(file, "some.pth")
    assert str(caught.value).startswith("some.pth: ")
    return str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_come_by_dotted_keys_and_nothing_else_does(legacy: bool) -> None:
    args = argparse.Namespace(lr=0.1, output=Path("/tmp/x"))
    value = {"teacher": {"norm.bias": torch.ones(2)}, "args": args, "epoch": 3, "loss": torch.tensor(1.5)}
    found = read_checkpoint(saved(value, legacy), "some.pth")
    assert sorted(found) == ["loss", "teacher.norm.bias"]
    assert torch.equal(found["teacher.norm.bias"], torch.ones(2))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_something_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal(saved({"weight": torch.ones(2), "x": Bomb()}, legacy))
    assert "which is no tensor; it is not loaded" in message and "safetensors" in message
    assert not (tmp_path / "exploded").exists()


def test_a_bare_pickle_that_would_run_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(io.BytesIO(pickle.dumps(Bomb())))
    refusal(io.BytesIO(pickle.dumps({"weight": Bomb()}, protocol=2)))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_an_object_that_would_fill_the_memory_is_refused(legacy: bool) -> None:
    assert "declares more than it holds" in refusal(saved({"weight": torch.ones(2), "x": Glutton()}, legacy))


def test_a_tensor_that_repeats_one_number_is_refused() -> None:
    expanded: Tensor = torch.zeros(1).expand(1 << 20, 1 << 20)
    assert "declares more than it holds" in refusal(saved({"weight": expanded}))


def test_a_zip_of_compressed_zeros_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (1 << 24))
    assert "declares more than it holds" in refusal(file)


def test_a_zip_with_a_huge_declared_size_is_refused() -> None:
    file = saved({"weight": torch.ones(2)})
    data = bytearray(file.getvalue())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    assert "declares more than it holds" in refusal(io.BytesIO(data))


def test_a_program_of_torchscript_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/constants.pkl", b"")
    assert "TorchScript" in refusal(file)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 no zip", b"\x80\x02."])
def test_other_files_are_refused(content: bytes) -> None:
    assert "is no checkpoint of torch.save, or is damaged" in refusal(io.BytesIO(content))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file_is_refused(legacy: bool) -> None:
    data = saved({"weight": torch.ones(1000)}, legacy).getvalue()
    for length in (len(data) - 500, len(data) // 2, 100):
        refusal(io.BytesIO(data[:length]))


def test_a_file_without_tensors_is_refused() -> None:
    assert "holds no tensors" in refusal(saved({"epoch": 3}))
