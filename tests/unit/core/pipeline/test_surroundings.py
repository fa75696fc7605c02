"""What a container or a cluster lacks, and caches inside the project."""

from __future__ import annotations

import getpass
import os
import pwd
import tempfile
from pathlib import Path

import pytest

from cytopipe.core.pipeline.surroundings import complete

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
CACHES = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "NUMBA_CACHE_DIR", "HF_HOME", "TORCH_HOME")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A copy of the environment in which no cache is chosen; what `complete` sets is dropped afterwards."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in (*CACHES, "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.environ["HOME"] = str(tmp_path / "home")
    monkeypatch.chdir(tmp_path)


def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in NAMES:
        os.environ.pop(name, None)


def test_a_user_id_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    nameless(monkeypatch)
    complete()
    assert getpass.getuser() == "cytopipe"


def test_a_name_is_kept() -> None:
    os.environ["LOGNAME"] = os.environ["USER"] = "ada"
    complete()
    assert getpass.getuser() == "ada"


def test_a_user_without_a_home_has_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    nameless(monkeypatch)
    del os.environ["HOME"]
    complete()
    assert os.environ["HOME"] == tempfile.gettempdir()


def test_outside_a_project_no_cache_is_moved() -> None:
    complete()
    assert not set(CACHES) & set(os.environ)


def test_in_a_project_caches_are_inside_it_unless_they_are_chosen(tmp_path: Path) -> None:
    Path("dvc.yaml").touch()
    os.environ["TRITON_CACHE_DIR"] = "/mine"
    complete()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / ".cytopipe/caches/matplotlib")
    assert os.environ["HF_HOME"] == str(tmp_path / ".cytopipe/caches/huggingface")
    assert os.environ["TRITON_CACHE_DIR"] == "/mine"


def test_a_cache_of_downloads_that_exists_is_used(tmp_path: Path) -> None:
    Path("dvc.yaml").touch()
    (tmp_path / "home/.cache/huggingface").mkdir(parents=True)
    complete()
    assert "HF_HOME" not in os.environ and "TORCH_HOME" in os.environ
