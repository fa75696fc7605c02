"""Inputs without a fault: what every other test of this folder departs from."""

from __future__ import annotations

from pathlib import Path

import pytest

from files_of_people import names, table, tree
from organized import organized

TWO = {"abnormal": 8, "normal": 8}


def test_an_imagefolder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", names(TWO))
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert found.refusal == ""
    assert found.classes == TWO
    assert found.splits == {"test": 4, "train": 8, "val": 4}


def test_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = names({"images": 16})
    tree(tmp_path / "cells", files)
    rows = [(Path(name).name, ("normal", "abnormal")[seed % 2], f"P{seed // 2}") for seed, name in enumerate(files)]
    table(tmp_path / "cells/labels.csv", [("image", "label", "patient"), *rows])
    options = {"csv": "labels.csv", "images": "images", "group": "patient"}
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options=options)
    assert found.refusal == ""
    assert found.classes == TWO
    assert found.groups == {f"P{number}": 2 for number in range(8)}
