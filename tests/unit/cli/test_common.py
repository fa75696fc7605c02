"""Threads, devices and exit statuses of the commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer

from cytopipe.cli.common import clear_errors, prepare, usable_cores
from cytopipe.core.pipeline import processor
from cytopipe.errors import CytopipeError


@pytest.fixture(autouse=True)
def restore_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The number of threads and the environment belong to the whole process."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(folder: Path, value: object, **more: object) -> Path:
    """A segmenter's model.json with this number of threads."""
    given = {"task": "segmentation", "architecture": "otsu", "arguments": {}, "classes": ["cyt", "nuc"]}
    sees = {"channels": "rgb", "input_size": 32, "mean": [0, 0, 0], "std": [1, 1, 1], "view": {}}
    content = {**given, **sees, "training_data_sha256": "0" * 64, "num_threads": value, **more}
    (folder / "model.json").write_text(json.dumps(content))
    return folder


def test_threads_are_those_asked_for_or_of_the_training(tmp_path: Path) -> None:
    assert prepare("cpu", None, write(tmp_path, 3)) == torch.device("cpu")
    assert torch.get_num_threads() == 3 and os.environ["OMP_NUM_THREADS"] == "3"
    prepare("cpu", 2, tmp_path)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [({".": "portable"}, "portable"), ({".": "native"}, "native"), ({}, "native"), ({".": None}, "native"),
     ({"first": "native", "second": "portable"}, "portable"), ({"first": "native", "second": None}, "native")],
)  # fmt: skip
def test_the_instruction_set_is_that_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: dict[str, str | None], expected: str
) -> None:
    for name, cpu in recorded.items():
        (tmp_path / name).mkdir(exist_ok=True)
        write(tmp_path / name, 1, cpu=cpu)
    seen: list[tuple[int, str]] = []
    monkeypatch.setattr(processor, "fix", lambda *given: seen.append(given))
    prepare("cpu", 1, tmp_path)
    assert seen == [(1, expected)]


@pytest.mark.parametrize("value", [0, -1, 10**9, True, "4", 2.0, None, [4]])
def test_threads_that_cannot_be_are_not_taken_from_a_file(tmp_path: Path, value: object) -> None:
    prepare("cpu", None, write(tmp_path, value))
    assert torch.get_num_threads() == usable_cores()


def test_a_model_folder_that_is_none_is_judged_later(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    for folder in (tmp_path, tmp_path / "none", None):
        prepare("cpu", None, folder)
        assert torch.get_num_threads() == usable_cores()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_refused_by_the_name_of_the_option(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"^--device: no CUDA device"):
        prepare("cuda", None)
    assert prepare("auto", None) == torch.device("cpu")


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [(CytopipeError("bad", where="here"), 1, "error: here: bad\n"), (KeyboardInterrupt(), 130, "interrupted\n")],
)
def test_endings_have_a_status_and_one_message(
    fault: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, clear_errors(debug=False):
        raise fault
    assert left.value.exit_code == status
    assert capsys.readouterr() == ("", message)
    with pytest.raises(type(fault)), clear_errors(debug=True):
        raise fault
