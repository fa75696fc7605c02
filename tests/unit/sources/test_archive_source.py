from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from cytopipe.core.io.folders import list_files
from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import fetch


def fetch_path(path: Path, target: Path) -> None:
    fetch(SimpleNamespace(kind="archive", path=path), target, dataset="cells", cache=target.parent / "cache")


def test_an_archive_is_unpacked_and_junk_is_logged(
    tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("cells/1.png", b"1")
        opened.writestr("cells/.DS_Store", b"")
    with caplog.at_level(logging.INFO, logger="cytopipe"):
        fetch_path(tmp_path / "a.zip", target)
    assert list_files(target) == ["cells/1.png"]
    assert "cells: left out of the source: 1 x litter of macOS (first: cells/.DS_Store)" in caplog.text


def test_a_folder_is_copied(tmp_path: Path, target: Path) -> None:
    (tmp_path / "cells" / "__MACOSX").mkdir(parents=True)
    (tmp_path / "cells" / "__MACOSX" / "1.png").touch()
    (tmp_path / "cells" / "1.png").write_text("1")
    fetch_path(tmp_path / "cells", target)
    assert list_files(target) == ["1.png"]


def test_a_home_folder_may_be_abbreviated(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "1.png").touch()
    fetch_path(Path("~/cells"), target)
    assert list_files(target) == ["1.png"]


def test_a_missing_path_names_the_parameter_to_correct(tmp_path: Path, target: Path) -> None:
    with pytest.raises(CytopipeError, match=r"no\.zip: no such file or folder\n.*datasets\.cells\.source\.path"):
        fetch_path(tmp_path / "no.zip", target)


def test_an_empty_source_is_an_error(tmp_path: Path, target: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CytopipeError, match=r"datasets\.cells\.source\.path: .*empty: the source holds no files"):
        fetch_path(tmp_path / "empty", target)
