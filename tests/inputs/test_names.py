"""Names in a table that are not written as the files are: matched where one file alone can be meant, else refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from files_of_people import cell_mask, save, table, tree
from organized import Outcome, organized

STEMS = [f"Präparat {number:03}" for number in range(8)]
NUMBERS = [f"{number:03}" for number in range(7, 15)]
EIGHT = {"abnormal": 4, "normal": 4}


def taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, files: list[str], written: list[str], **options: Any
) -> Outcome:
    """What becomes of files and a table that names them so, in the same order, with two labels in turn."""
    tree(tmp_path / "cells", files)
    return retaken(tmp_path, caplog, written, **options)


def retaken(tmp_path: Path, caplog: pytest.LogCaptureFixture, written: list[str], **options: Any) -> Outcome:
    """The same of files that are there."""
    rows = [(f'"{name}"', ("normal", "abnormal")[number % 2]) for number, name in enumerate(written)]
    table(tmp_path / "cells/labels.csv", [("image", "label"), *rows])
    return organized(
        tmp_path / "cells", tmp_path / "work", caplog, options={"csv": "labels.csv", "images": "images"} | options
    )


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


Change = Callable[[str], str]
# What is done to `images/<stem>.png` on disk, and what stands in the table.
MATCHED: dict[str, tuple[list[str], Change, Change, dict[str, Any]]] = {
    "as they are": (STEMS, lambda n: f"{n}.png", lambda n: f"{n}.png", {}),
    "without suffix": (STEMS, lambda n: f"{n}.png", lambda n: n, {}),
    "a Mac's file names": (STEMS, lambda n: nfd(n) + ".png", lambda n: nfc(n) + ".png", {}),
    "a Mac's table": (STEMS, lambda n: nfc(n) + ".png", lambda n: nfd(n), {}),
    "the images folder in front": (STEMS, lambda n: f"{n}.png", lambda n: f"images/{n}.png", {}),
    "the images folder left out": (STEMS, lambda n: f"{n}.png", lambda n: f"{n}.png", {"images": "."}),
    "backslashes": (STEMS, lambda n: f"{n}.png", lambda n: f"images\\{n}.png", {"images": "."}),
    "backslashes and the images folder": (STEMS, lambda n: f"{n}.png", lambda n: f"images\\{n}.png", {}),
    "a dot in front": (STEMS, lambda n: f"{n}.png", lambda n: f".\\{n}.png", {}),
    "two dots in front": (STEMS, lambda n: f"{n}.png", lambda n: f"../images/{n}.png", {}),
    "double slashes": (STEMS, lambda n: f"a/{n}.png", lambda n: f"a//{n}.png", {}),
    "a path of another machine": (STEMS, lambda n: f"{n}.png", lambda n: f"C:\\Users\\Eva\\images\\{n}.png", {}),
    "a path of a server": (STEMS, lambda n: f"{n}.png", lambda n: f"\\\\nas\\cells\\images\\{n}.png", {}),
    "a path of a Mac": (STEMS, lambda n: f"{n}.png", lambda n: f"/Users/eva/cells/images/{n}", {}),
    "sub-folders that the table leaves out": (STEMS, lambda n: f"day 1/{n}.png", lambda n: f"{n}.png", {}),
    "folders of another machine and sub-folders": (
        STEMS,
        lambda n: f"day 1/{n}.png",
        lambda n: f"D:\\data\\day 1\\{n}.png",
        {},
    ),
    "a suffix in capitals on disk": (STEMS, lambda n: f"{n}.PNG", lambda n: f"{n}.png", {}),
    "a suffix in capitals in the table": (STEMS, lambda n: f"{n}.png", lambda n: f"{n}.PNG", {}),
    "names in capitals": (STEMS, lambda n: f"{n}.png", lambda n: n.upper(), {}),
    "folders in capitals": (STEMS, lambda n: f"Day1/{n}.png", lambda n: f"day1/{n}.png", {}),
    "spaces around": (STEMS, lambda n: f"{n}.png", lambda n: f"  {n}.png ", {}),
    "a space before the suffix": (STEMS, lambda n: f"{n} .png", lambda n: f"{n}.png", {}),
    "two spaces within": (STEMS, lambda n: f"{n}.png", lambda n: n.replace(" ", "  "), {}),
    "a no-break space": (STEMS, lambda n: f"{n}.png", lambda n: n.replace(" ", "\u00a0"), {}),
    "full-width letters": (STEMS, lambda n: f"{n}.png", lambda n: n.replace("P", "\uff30"), {}),
    "zeros that Excel ate": (NUMBERS, lambda n: f"{n}.png", lambda n: str(int(n)), {}),
    "zeros that Excel ate, with suffix": (NUMBERS, lambda n: f"{n}.png", lambda n: f"{int(n)}.png", {}),
    "numbers of pandas": (NUMBERS, lambda n: f"{n}.png", lambda n: f"{int(n)}.0", {}),
    "zeros that the table adds": (NUMBERS, lambda n: f"{int(n)}.png", lambda n: f"0{n}", {}),
    "zeros of a folder": (NUMBERS, lambda n: f"{n}/a.png", lambda n: f"{int(n)}/a.png", {}),
    "dots in the names": (NUMBERS, lambda n: f"s{n}.v2.png", lambda n: f"s{n}.v2", {}),
    "another suffix": (STEMS, lambda n: f"{n}.png", lambda n: f"{n}.jpg", {}),
    "converted from a microscope's format": (STEMS, lambda n: f"{n}.tif", lambda n: f"{n}.czi", {}),
    "jpeg for jpg": (STEMS, lambda n: f"{n}.jpg", lambda n: f"{n}.jpeg", {}),
}


@pytest.mark.parametrize(("stems", "on_disk", "in_table", "options"), MATCHED.values(), ids=list(MATCHED))
def test_names_are_matched(
    stems: list[str],
    on_disk: Change,
    in_table: Change,
    options: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = [f"images/{on_disk(name)}" for name in stems]
    found = taken(tmp_path, caplog, files, [in_table(name) for name in stems], **options)
    assert found.refusal == ""
    assert found.sources == sorted(f"files/{name}" for name in files) or found.sources == sorted(files)
    assert {Path(row.source).as_posix(): row.label for row in found.rows} == {
        source: ("normal", "abnormal")[files.index(source.removeprefix("files/")) % 2] for source in found.sources
    }


def test_another_suffix_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, [f"images/{n}.png" for n in NUMBERS], [f"{n}.jpg" for n in NUMBERS])
    assert "8 names are matched UNDER ANOTHER SUFFIX, first '007.jpg': '007.png'" in found.log


PLAIN = [f"images/{name}.png" for name in NUMBERS]


# More files, the name of the first row, and what the message holds.
REFUSED: dict[str, tuple[list[str], str, list[str]]] = {
    "an image and its mask": (
        ["images/007.bmp"],
        "007",
        ["labels.csv:2: '007' can mean 2 images: '007.bmp' and '007.png'", "options.suffix (such as .bmp)"],
    ),
    "an image and its mask, without zeros": (
        ["images/007.bmp"],
        "7",
        ["'7' can mean 2 images: '007.bmp' and '007.png'", "may be its mask"],
    ),
    "a folder of masks within": (
        ["images/masks/006.png"],
        "006",
        ["'006' has no image in", "only masks/006.png is called so, which looks like a mask"],
    ),
    "the same name in two folders": (
        ["images/a/006.png", "images/b/006.png"],
        "006.png",
        ["'006.png' can mean 2 images: 'a/006.png' and 'b/006.png'", "write the folder in the table too"],
    ),
    "two numbers of other zeros": (
        ["images/06.png", "images/006.png"],
        "6",
        ["'6' can mean 2 images: '006.png' and '06.png'", "write the file's exact name"],
    ),
    "two names of other case": (
        ["images/Cell.png", "images/cell.png"],
        "CELL.png",
        ["'CELL.png' can mean 2 images: 'Cell.png' and 'cell.png'", "write the file's exact name"],
    ),
    "three candidates and more": (
        [f"images/{folder}/x.png" for folder in "abcd"],
        "x",
        ["can mean 4 images: 'a/x.png' and 'b/x.png' and 'c/x.png', ..."],
    ),
    "one Unicode form twice": (
        [f"images/{nfc('é')}.png", f"images/{nfd('é')}.png"],
        "É",
        ["can mean 2 images", "'e\\u0301.png'"],
    ),
    "another folder": (["images/b/006.png"], "a/006.png", ["'a/006.png' has no image in", "the nearest: 'b/006.png'"]),
    "another folder of the source": (
        ["test/007.png"],
        "test/007.png",
        ["'test/007.png' has no image in", "the nearest: '007.png'"],
    ),
    "the folder of another patient": (
        ["images/P1/x.png", "images/y.png"],
        "P1/y.png",
        ["'P1/y.png' has no image in", "the nearest: 'y.png'"],
    ),
    "a misspelt name": ([], "0O7.png", ["'0O7.png' has no image in", "the nearest: '007.png'"]),
    "an image that is missing beside its mask": (
        ["images/006.png", "images/another.bmp"],
        "006.bmp",
        ["'006.bmp' has no image in", "the nearest: '006.png'"],
    ),
    "nothing like it": ([], "zebra", ["'zebra' has no image in", "correct the row, or options.images"]),
    "an empty name": ([], "", ["labels.csv:2: the column 'image' is empty"]),
    "an image twice": (
        [],
        "008.PNG",
        ["labels.csv:3: '008.png' stands in line 2 already, as '008.PNG': both mean 008.png", "(normal, abnormal)"],
    ),
}


@pytest.mark.parametrize(("more", "first", "messages"), REFUSED.values(), ids=list(REFUSED))
def test_names_that_can_mean_several_files_or_none_are_refused(
    more: list[str], first: str, messages: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [*PLAIN, *more]
    written = [first, *(f"{name}.png" for name in NUMBERS[1:])]
    found = taken(tmp_path, caplog, files, written, unlisted=True)
    assert not found.rows
    for message in messages:
        assert message in found.refusal


def test_the_exact_name_wins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = ["7.png", "07.png", "007.png", "A.png", "a.png", "b/a.png", f"{nfc('é')}.png", f"{nfd('é')}.png"]
    found = taken(tmp_path, caplog, [f"images/{name}" for name in written], written)
    assert found.refusal == ""
    assert len(found.rows) == 8


def test_rows_without_an_image_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, PLAIN, [f"x{name}" for name in NUMBERS])
    assert "labels.csv:2: 'x007' has no image in" in found.refusal
    assert ", nor have 7 more of 8 rows\n  -> the nearest: '007.png'" in found.refusal


def test_a_row_for_each_object_is_refused_with_the_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, PLAIN, [name for name in NUMBERS for _ in range(3)])
    assert "labels.csv:3: '007' stands in line 2 already, under another label (normal, abnormal)" in found.refusal
    assert "; 8 images have several rows\n  -> keep one row for each image" in found.refusal


def test_masks_beside_the_images_are_told_apart_by_an_option(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = tree(tmp_path / "cells", [f"images/{name}.bmp" for name in NUMBERS])
    for name in NUMBERS:
        save(files / f"images/{name}.png", cell_mask())
    assert "can mean 2 images" in retaken(tmp_path, caplog, NUMBERS).refusal
    found = retaken(tmp_path, caplog, NUMBERS, suffix=".bmp", masks="images")
    assert found.refusal == ""
    assert found.classes == EIGHT
    assert found.summary["masks"] == 8
    assert all(row.source.endswith(".bmp") for row in found.rows)


def test_masks_in_a_column_are_matched_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(tmp_path / "cells", PLAIN)
    for name in NUMBERS:
        save(root / f"Masks/{name}.png", cell_mask())
    rows = [(f"{name}.png", ("a", "b")[n % 2], f"C:\\cells\\masks\\{name}.PNG") for n, name in enumerate(NUMBERS)]
    table(root / "labels.csv", [("image", "label", "mask"), *rows])
    options = {"csv": "labels.csv", "images": "images", "mask": "mask"}
    found = organized(root, tmp_path / "work", caplog, options=options)
    assert found.refusal == ""
    assert found.summary["masks"] == 8
    table(root / "labels.csv", [("image", "label", "mask"), *((a, b, f"images/{a}") for a, b, _ in rows)])
    refusal = organized(root, tmp_path / "work", caplog, options=options).refusal
    assert "labels.csv:2: 'images/007.png' is the image itself, not its mask" in refusal
