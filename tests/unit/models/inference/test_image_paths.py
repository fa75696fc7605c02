"""The images named on a command line, their order, and names that are rejected."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.inference.image_paths import list_images


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def touch(here: Path) -> Callable[..., None]:
    """Creates empty files; images are listed without being opened."""

    def make(*names: str) -> None:
        for name in names:
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).touch()

    return make


def test_a_folder_gives_its_images_of_any_depth_sorted(touch: Callable[..., None]) -> None:
    touch("cells/b.PNG", "cells/a/z.tif", "cells/a.jpg", "cells/notes.txt", "cells/x.gif", "cells/._b.png")
    touch("cells/.hidden/d.png", "cells/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg")
    touch("cells/__MACOSX/c.png")
    assert list_images(["cells"]) == ["cells/a.jpg", "cells/a/z.tif", "cells/b.PNG", "cells/x.gif"]


def test_order_is_kept_and_an_image_named_twice_comes_once(touch: Callable[..., None], here: Path) -> None:
    touch("z.png", "cells/a.png", "cells/b.png")
    named = ["z.png", "cells/b.png", "cells", "./z.png", str(here / "cells/a.png"), "cells/../z.png"]
    assert list_images(named) == ["z.png", "cells/b.png", "cells/a.png"]


def test_patterns_match_like_those_of_a_shell(touch: Callable[..., None], here: Path) -> None:
    touch("c/1.png", "c/10.png", "c/2.bmp", "c/deep/3.png", "c/x.gif")
    assert list_images(["c/?.*"]) == ["c/1.png", "c/2.bmp", "c/x.gif"]
    assert list_images(["c/**/*.png"]) == ["c/1.png", "c/10.png", "c/deep/3.png"]
    assert list_images([f"{here}/c/[12]*"]) == [f"{here}/c/1.png", f"{here}/c/10.png", f"{here}/c/2.bmp"]
    assert list_images(["c/d*"]) == ["c/deep/3.png"]


def test_an_existing_file_that_looks_like_a_pattern_is_that_file(touch: Callable[..., None]) -> None:
    touch("a[1].png", "a1.png")
    assert list_images(["a[1].png"]) == ["a[1].png"]


def test_a_link_is_a_separate_image_and_cycles_end(touch: Callable[..., None], here: Path) -> None:
    touch("cells/a.png", "elsewhere/b.png")
    (here / "cells/same.png").symlink_to("a.png")
    (here / "cells/circle").symlink_to(here / "cells", target_is_directory=True)
    (here / "cells/more").symlink_to(here / "elsewhere", target_is_directory=True)
    assert list_images(["cells"]) == ["cells/a.png", "cells/more/b.png", "cells/same.png"]


@pytest.mark.parametrize("header", ["image,label", "path,label", "label,image,path"])
def test_a_table_names_images_from_its_own_folder(touch: Callable[..., None], here: Path, header: str) -> None:
    touch("t/cells/b.png")
    values = {"label": "x", "path": "cells/none.png", "image": "cells/b.png"}
    if "image" not in header:
        values["path"] = "cells/b.png"
    line = ",".join(values[name] for name in header.split(","))
    (here / "t/list.csv").write_text(f"\ufeff{header}\r\n{line}\r\n{line}\r\n{line.replace('b.png', 'gone.png')}\r\n")
    # A missing file is listed too: later it becomes a row with an error.
    assert list_images(["t/list.csv"]) == ["t/cells/b.png", "t/cells/gone.png"]


def test_another_column_and_an_absolute_path(here: Path) -> None:
    (here / "t.csv").write_text('file\n"/far/a, b.png"\n"x\ny.png"\n')
    assert list_images(["t.csv"], "file") == ["/far/a, b.png", "x\ny.png"]


def test_no_name_is_a_formula_in_a_spreadsheet(touch: Callable[..., None]) -> None:
    touch("=cmd|x.png", "-1.png", "+1.png", "@a.png", "\tb.png", "=dir/a.png")
    found = list_images(["=cmd|x.png", "-1.png", "+1.png", "@a.png", "\tb.png", "=dir"])
    assert found == ["./=cmd|x.png", "./-1.png", "./+1.png", "./@a.png", "./\tb.png", "./=dir/a.png"]
    assert all(os.path.exists(name) for name in found)  # noqa: PTH110


@pytest.mark.parametrize(
    ("named", "column", "message"),
    [
        ("none.png", None, "none.png: no such image, folder, pattern or table"),
        ("*.png", None, r"\*\.png: no image here\n.*end in \.png"),
        ("empty", None, "empty: no image here"),
        ("t.csv", None, "no column 'image' or 'path'; it has 'file', 'label'\n.*--column NAME"),
        ("t.csv", "img", "no column 'img'; it has 'file', 'label'"),
        ("t.csv", "label", "t.csv:3: no image is named"),
        ("header.csv", None, "the table has no rows"),
    ],
)
def test_a_name_without_an_image_is_rejected(here: Path, named: str, column: str | None, message: str) -> None:
    (here / "empty").mkdir()
    (here / "t.csv").write_text("file,label\na.png,x\nb.png,\n")
    (here / "header.csv").write_text("image\n")
    with pytest.raises(CytopipeError, match=message):
        list_images([named], column)
