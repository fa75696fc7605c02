from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.inference.image_groups import groups_of
from cytopipe.models.inference.image_paths import list_images


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("p1/a.png", "p1/b.png", "p2/deep/c.png"):
        (tmp_path / "cells" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cells" / name).touch()
    return tmp_path


def test_the_folder_of_each_image_is_its_group(here: Path) -> None:
    images = list_images(["cells"])
    assert list(groups_of(images, ["cells"], "folder").values()) == ["p1", "p1", "p2/deep"]
    assert set(groups_of(images[:2], ["cells/p1"], "folder").values()) == {"p1"}


def test_a_column_of_the_table_of_images(here: Path) -> None:
    (here / "cells.csv").write_text("image,Patient\ncells/p1/a.png,x\ncells/p1/b.png,y\n")
    images = list_images(["cells.csv"])
    assert groups_of(images, ["cells.csv"], "patient") == {"cells/p1/a.png": "x", "cells/p1/b.png": "y"}


def test_a_table_of_its_own_may_name_files_without_their_folders(here: Path) -> None:
    (here / "who.csv").write_text("path,patient\na.png,x\nb.png,x\nc.png,z\n")
    images = list_images(["cells"])
    assert list(groups_of(images, ["cells"], "patient", Path("who.csv")).values()) == ["x", "x", "z"]


def test_an_image_without_a_group_and_a_column_that_is_missing_are_errors(here: Path) -> None:
    (here / "who.csv").write_text("path,patient\ncells/p1/a.png,x\n")
    images = list_images(["cells"])
    with pytest.raises(CytopipeError, match=r"b\.png: no 'patient' is given for this image"):
        groups_of(images, ["cells"], "patient", Path("who.csv"))
    for table in (Path("who.csv"), None):
        with pytest.raises(CytopipeError, match="no table with a column 'slide'"):
            groups_of(images, ["cells"], "slide", table)
