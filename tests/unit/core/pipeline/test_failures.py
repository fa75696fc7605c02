"""What other libraries raise, as messages: every known cause, by the texts that these libraries really give."""

from __future__ import annotations

import errno
import importlib
import sqlite3
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.pipeline.failures import explain, report
from cytopipe.errors import CytopipeError

ENTRY = "classifiers.masks"


def raised(call: object) -> Exception:
    """What a call raises."""
    try:
        call()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def one_image() -> None:
    nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


def kernel() -> None:
    nn.Conv2d(3, 3, 5)(torch.zeros(1, 3, 2, 2))


def linear() -> None:
    nn.Linear(3, 3)(torch.zeros(1, 4))


def arrays() -> None:
    np.empty((2**20, 2**30))


def tensors() -> None:
    torch.empty(2**50)


def weights() -> None:
    nn.Linear(1, 1).load_state_dict(nn.Linear(2, 2).state_dict())


def database() -> None:
    sqlite3.connect("/nowhere/at/all.sqlite")


REAL = [
    (one_image, "one image", "raise classifiers.masks.training.batch_size to 2 or more"),
    (kernel, "smaller than the network needs", "input_size of classifiers.masks alone"),
    (linear, "does not take images of this size", "image_size"),
    (arrays, "the memory of this machine is full", "classifiers.masks.training.batch_size"),
    (tensors, "the memory of this machine is full", "runtime.num_workers"),
    (weights, "belong to another architecture", "`pretrained` or `architecture` of classifiers.masks"),
    (database, "unable to open database file", "remove .cytopipe"),
    (lambda: importlib.import_module("torchy.nn"), "the Python package torchy is not installed", "make setup"),
    (lambda: Path("/nowhere/x").read_text(), "/nowhere/x: no such file or folder", "check the path"),
    (lambda: list(Path("/proc/version").iterdir()), "/proc/version: a part of this path is a file", "check the path"),
    (lambda: "é".encode("ascii"), "language setting cannot write or read", "LC_ALL=C.UTF-8"),
    (lambda: "\udcff".encode(), "is not UTF-8", "rename the file"),
]


@pytest.mark.parametrize(("call", "what", "hint"), REAL)
def test_a_real_failure_is_explained(call: object, what: str, hint: str) -> None:
    known = explain(raised(call), ENTRY)
    assert known is not None
    assert what in str(known).partition("\n")[0] and hint in (known.hint or "")


SAID = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has ..."), "memory of the GPU",
     "lower classifiers.masks.training.batch_size"),
    (RuntimeError("CUDA error: out of memory\nCompile with..."), "the memory of the GPU is full", "batch_size"),
    (RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel"), "invalid device", "runtime.device: cpu"),
    (RuntimeError("The NVIDIA driver on your system is too old (found version 11040)."), "do not fit", "update NVIDIA"),
    (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "do not fit", "device: cpu"),
    (RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2_0>: No space left on device (28)"),
     "/dev/shm", "runtime.num_workers: 0"),
    (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error."), "/dev/shm", "--shm-size"),
    (OSError(errno.ENOSPC, "No space left on device", "/dev/shm/sem.x"), "/dev/shm", "runtime.num_workers: 0"),
    (MemoryError(), "the memory of this machine is full", "runtime.num_workers"),
    (BrokenProcessPool("A process was terminated"), "was killed", "lower runtime.num_workers"),
    (AssertionError("Input height (100) doesn't match model (224)."), "takes images of 224 px, not of 100 px",
     "input_size of classifiers.masks alone, to 224"),
    (AssertionError("Input image size (64*64) doesn't match model (224*224)."), "224 px, not of 64 px", "224"),
    (AssertionError("Input height (100) should be divisible by patch size (16)."), "of 16 px", "multiple of 16"),
    (OSError(errno.ENOSPC, "No space left on device", "data/a.npy"), "data/a.npy: the disk is full", "make room"),
    (sqlite3.OperationalError("database or disk is full"), "a disk is full", "make room"),
    (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "x: your quota", "remove files"),
    (PermissionError(errno.EACCES, "Permission denied", "data"), "data: permission denied", "check who owns it"),
    (OSError(errno.EROFS, "Read-only file system", "data"), "data: the disk can only be read", "copy the project"),
    (OSError(errno.EMFILE, "Too many open files", "x"), "x: too many files are open", "ulimit -n"),
    (KeyError("getpwuid(): uid not found: 12345"), "this user id (12345) has no name", "export USER=me"),
    (ImportError("libGL.so.1: cannot open shared object file: No such file or directory"), "libGL.so.1 is missing",
     "install it"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "git"), "git is not installed", "install git"),
    (RecursionError("maximum recursion depth exceeded"), "nested too deep", "simplify"),
    (OSError(5, "Input/output error", "a.tif"), "a.tif: the disk reports a fault", "check the disk"),
    (OSError("a driver's own words"), "a driver's own words", ""),
]  # fmt: skip


@pytest.mark.parametrize(("error", "what", "hint"), SAID)
def test_a_known_text_is_explained(error: Exception, what: str, hint: str) -> None:
    known = explain(error, ENTRY)
    assert known is not None
    assert what in str(known).partition("\n")[0] and hint in (known.hint or "")


def test_without_an_entry_the_options_have_their_plain_names() -> None:
    known = explain(torch.OutOfMemoryError("CUDA out of memory."))
    assert known is not None and "lower training.batch_size" in str(known) and "--device cpu" in str(known)


def test_the_cause_of_an_unknown_exception_is_explained() -> None:
    wrapper = ValueError("in a wrapper")
    wrapper.__cause__ = MemoryError()
    assert "memory of this machine" in str(explain(wrapper))


@pytest.mark.parametrize(
    "error", [ValueError("x"), AssertionError(), KeyError("name"), RuntimeError("odd"), TypeError()]
)
def test_what_nobody_foresaw_is_not_explained(error: Exception) -> None:
    assert explain(error) is None


def test_braces_in_a_text_are_left_alone() -> None:
    known = explain(sqlite3.OperationalError("attempt to write a readonly database {entry}"))
    assert known is not None and "{entry}" in known.what


def test_an_error_of_cytopipe_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    error = CytopipeError("a", where="b", hint="c")
    assert report(error, "organize@x") is error
    assert not Path(".cytopipe").exists()


def test_the_traceback_is_kept_in_a_project_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--debug" in str(report(ValueError("x"), "command"))
    assert list(tmp_path.iterdir()) == []
    Path("dvc.yaml").touch()
    assert ".cytopipe/tracebacks/command.txt" in str(report(ValueError("x"), "command"))
    assert Path(".cytopipe/tracebacks/command.txt").read_text() == "ValueError: x\n"


def test_a_traceback_that_cannot_be_kept_is_no_further_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    Path(".cytopipe").touch()  # a file in the folder's place
    assert "--debug" in str(report(ValueError("x"), "command"))
