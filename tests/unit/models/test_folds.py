"""The fold of each image decides which network of a model folder may predict it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.folds import Folds


def test_each_image_belongs_to_the_network_of_its_fold(tmp_path: Path) -> None:
    Folds({"a": 0, "b": 2, "c": 1}, tmp_path).write()
    folds = Folds.read(tmp_path)
    assert folds and [folds.of(image) for image in "abc"] == [0, 2, 1]
    assert list(folds.parts()) == ["folds/0", "folds/1", "folds/2"]
    with pytest.raises(CytopipeError, match=r"the image 'd' is in no fold\n.*train the model again"):
        folds.of("d")


def test_a_folder_without_folds_has_one_network_for_all_images(tmp_path: Path) -> None:
    folds = Folds.read(tmp_path)
    assert not folds and folds.of("any") == 0 and list(folds.parts()) == [""]


@pytest.mark.parametrize("text", ["", "[]", '{"a": "first"}', '{"a": -1}'])
def test_damaged_folds_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "folds.json").write_text(text)
    with pytest.raises(CytopipeError, match=r"folds.json: is not valid .*\n.*restore the folder"):
        Folds.read(tmp_path)
