from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from cytopipe.adapters.levels import Place, listed, meanings_of
from cytopipe.adapters.read_levels import read_levels
from cytopipe.core.params import DEVELOPMENT
from cytopipe.errors import CytopipeError

HERE = Path("cells")


def paths(*names: str) -> list[PurePosixPath]:
    return [PurePosixPath(name) for name in names]


def test_the_places_of_images() -> None:
    images = paths("set/Training/P1/normal/a.png", "set/Training/P2/abnormal/deep/a.png", "set/TestA/P3/normal/a.png")
    levels = read_levels(images, HERE)
    assert (levels.top, levels.stated) == (PurePosixPath("set"), "split/group/class")
    assert [levels.place(image) for image in images] == [
        Place("normal", "train", "P1"),
        Place("abnormal", "train", "P2"),
        Place("normal", "test", "P3"),
    ]
    assert levels.splits == {"TestA": "test", "Training": "train"}


def test_train_and_validation_in_one() -> None:
    levels = read_levels(paths("trainval/a/1.png", "trainval/b/1.png", "test/a/1.png", "test/b/1.png"), HERE)
    assert levels.splits == {"test": "test", "trainval": DEVELOPMENT}


def test_a_reading_that_is_stated_gives_itself() -> None:
    images = paths("x/a/p1/1.png", "x/a/p2/1.png", "x/b/p3/1.png")
    read = read_levels(images, HERE)
    again = read_levels(images, HERE, meanings_of(read.stated))
    assert (again.top, again.meanings, again.names) == (read.top, read.meanings, read.names)
    assert read.notes and not again.notes


@pytest.mark.parametrize("stated", ["class/any", " Class / ANY ", "/class/any/"])
def test_meanings_are_written_in_any_case(stated: str) -> None:
    assert meanings_of(stated) == ("class", "any")


def test_no_meanings() -> None:
    assert meanings_of(None) == ()


def test_the_top_is_stepped_into_as_deep_as_the_reading_allows() -> None:
    images = paths("x/train/a/1.png", "x/train/b/1.png")
    assert read_levels(images, HERE).top == PurePosixPath("x")
    assert read_levels(images, HERE, ("class",)).top == PurePosixPath("x/train")


def test_of_two_levels_of_splits_that_with_more_is_read() -> None:
    levels = read_levels(paths("train/train/a/1.png", "train/train/b/1.png", "train/test/a/1.png"), HERE)
    assert levels.stated == "any/split/class"


def test_numbers_of_patients_are_repeated_below() -> None:
    images = paths(*(f"{person}/{label}/1.png" for person in (1, 2, 3) for label in "ab"))
    assert read_levels(images, HERE).stated == "group/class"
    with pytest.raises(CytopipeError, match="which folders are the classes"):
        read_levels(paths("1/a/1.png", "2/b/1.png", "3/c/1.png"), HERE)


def test_a_folder_in_one_of_its_own_name_says_nothing_more() -> None:
    levels = read_levels(paths("a/a/1.png", "a/a/CROPPED/2.png", "b/b/1.png"), HERE)
    assert levels.stated == "class/any"


def test_images_that_lie_deeper_are_said() -> None:
    levels = read_levels(paths("a/1.png", "a/CROPPED/2.png", "b/1.png"), HERE)
    assert levels.notes == ("1 images lie deeper than the others, in 'CROPPED', and are of the class above them",)


def test_names_in_messages() -> None:
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdef")) == "'a', 'b', 'c', 'd' and 2 more"
