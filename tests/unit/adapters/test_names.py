"""Which file a name in a table means."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytopipe.adapters.names import ImageNames
from cytopipe.errors import CytopipeError


@pytest.mark.parametrize(
    ("files", "name", "file"),
    [
        (["a.png", "A.png"], "A.png", "A.png"),
        (["a.png", "b/a.png"], "a", "a.png"),
        (["b/c.png"], "b\\c", "b/c.png"),
        (["b/c.png"], "x/y/b/C.PNG", "b/c.png"),
        (["b/c.png"], "x/c.png", None),
        (["b/c.png"], "", None),
        (["b/c.png"], ".", None),
        (["b/c.png"], "../..", None),
        (["007.png"], "7", "007.png"),
        (["007.png"], "7.0", "007.png"),
        (["007.png", "7.png"], "7.png", "7.png"),
        (["img07.png"], "img7.png", None),
        (["a.png"], "a.jpeg", "a.png"),
        (["a.png", "b.jpg"], "a.jpeg", None),
        (["a.jpg", "b.jpeg"], "a.jpeg", "a.jpg"),
        (["img.png"], "img.v1", None),
        (["img.v1.png"], "img.v1", "img.v1.png"),
        (["masks/a.png"], "masks/a", "masks/a.png"),
        (["cells/masks/a.png"], "masks/a", "cells/masks/a.png"),
        (["a.png.tif"], "a.png", "a.png.tif"),
        (["001.bmp", "001.png"], "001.BMP", "001.bmp"),
    ],
)
def test_the_file_that_a_name_means(files: list[str], name: str, file: str | None) -> None:
    assert ImageNames(files, "images").find(name, "t.csv:2") == file


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        (["1.bmp", "1.png"], "1", r"t:2: '1' can mean 2 images: '1.bmp' and '1.png'\n  -> write the suffix"),
        (["a/1.png", "b/1.png"], "1.png", r"can mean 2 images: .*\n  -> write the folder in the table too"),
        (["x.png", "X.png"], "x.PNG", r"can mean 2 images: 'X.png' and 'x.png'\n  -> write the file's exact name"),
        (["GT/1.png"], "1.png", r"'1.png' has no image in images; only GT/1.png is called so, which looks like a mask"),
    ],
)
def test_a_name_that_can_mean_several_files_is_refused(files: list[str], name: str, message: str) -> None:
    with pytest.raises(CytopipeError, match=message):
        ImageNames(files, "images").find(name, "t:2")


def test_a_folder_that_is_there_is_not_left_out() -> None:
    assert ImageNames(["a.png"], "train").find("test/a.png", "t:2") == "a.png"
    assert ImageNames(["a.png"], "train", ["Test"]).find("test/a.png", "t:2") is None
    assert ImageNames(["a.png", "b/c.png"], "train").find("b/a.png", "t:2") is None


def test_the_nearest_files() -> None:
    names = ImageNames(["a/slide_1.png", "b/slide_1.png", "b/zebra.png"], "images")
    assert names.near("Slide_l.tif") == ["a/slide_1.png", "b/slide_1.png"]
    assert names.near("") == []


def test_how_names_were_matched_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    names = ImageNames(["a.png", "b.png", "007.png"], "images")
    for name in ("a.png", "images/a.png", "B.png", "7", "b.jpg"):
        names.find(name, "t:2")
    with caplog.at_level(logging.INFO, "cytopipe"):
        names.log(Path("t.csv"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "t.csv: 1 names are matched but for folders in front, first 'images/a.png': 'a.png'"),
        ("INFO", "t.csv: 1 names are matched but for upper and lower case, width or spaces, first 'B.png': 'b.png'"),
        ("INFO", "t.csv: 1 names are matched but for zeros before a number, first '7': '007.png'"),
        ("WARNING", "t.csv: 1 names are matched UNDER ANOTHER SUFFIX, first 'b.jpg': 'b.png'"),
    ]


WORDS = st.text("abc\u00e4\u00e90123 ._-", min_size=1, max_size=8).filter(lambda word: word.strip(" ._-") == word)
CHANGES: list[Callable[[str], str]] = [
    str.upper,
    str.swapcase,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: name.replace("/", "\\"),
    lambda name: f"C:\\data\\{name}",
    lambda name: f" ./{name} ",
    lambda name: name.removesuffix(".png"),
]


@given(
    st.sets(st.lists(WORDS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=6),
    st.data(),
    st.lists(st.sampled_from(CHANGES), max_size=3),
)
def test_a_name_means_its_file_or_is_refused(
    paths: set[tuple[str, ...]], data: st.DataObject, changes: list[Callable[[str], str]]
) -> None:
    files = sorted(f"{'/'.join(parts)}.png" for parts in paths)
    asked = written = data.draw(st.sampled_from(files))
    for change in changes:
        written = change(written)
    names = ImageNames(files, "images")
    assert names.find(asked, "t:2") == asked
    try:
        found = names.find(written, "t:2")
    except CytopipeError as error:
        assert "can mean" in error.what
        assert len(files) > 1
    else:
        assert found == asked or len(files) > 1  # another file of exactly that name wins
        if len(files) == 1:
            assert found == asked
