from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.gate import Folder, Results
from cytopipe.gate.identity import test_set as identify

LeaveResults = Callable[..., Path]
PHANTOM = {"kind": "phantom", "path": "recipes/cervix.yaml", "seed": 1}


def named(root: Path, kind: str = "classifiers") -> str:
    return identify(Results(Folder(root), f"results/{kind}/masks/details.json"))


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def run(tmp_path: Path, leave_results: LeaveResults) -> Path:
    """A classifier and a segmenter of one name, on the same images."""
    leave_results(tmp_path, [4] * 10)
    leave_results(tmp_path, dice=[0.5] * 40)
    return tmp_path


def test_predictions_do_not_count(run: Path, leave_results: LeaveResults) -> None:
    before = named(run), named(run, "segmenters")
    leave_results(run, [0] * 10)
    leave_results(run, dice=[0.9] * 40)
    assert (named(run), named(run, "segmenters")) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("results/classifiers/masks/predictions.csv", "i03,g0", "i03,g1"),
        ("data/organized/cells/manifest.csv", "i03,abnormal", "i03,normal"),
        ("data/organized/cells/manifest.csv", f"i03,abnormal,9,8,{'a' * 64}", f"i03,abnormal,9,8,{'b' * 64}"),
    ],
    ids=["group", "label", "pixels"],
)
def test_groups_labels_and_pixels_count(run: Path, file: str, old: str, new: str) -> None:
    before = named(run)
    replace(run / file, old, new)
    assert named(run) != before


def test_an_image_less_counts(run: Path) -> None:
    before = named(run)
    file = run / "results/classifiers/masks/predictions.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert named(run) != before


def test_images_that_were_not_tested_do_not_count(run: Path) -> None:
    before = named(run)
    with (run / "data/organized/cells/manifest.csv").open("a") as file:
        file.write(f"i99,normal,9,8,{'c' * 64},\n")
    assert named(run) == before


def test_true_masks_count_for_a_segmenter_alone(run: Path) -> None:
    before = named(run), named(run, "segmenters")
    replace(run / "data/organized/cells/manifest.csv", "f" * 64, "e" * 64)
    assert named(run) == before[0]
    assert named(run, "segmenters") != before[1]


def test_the_pixels_of_phantoms_are_those_of_their_source(tmp_path: Path, leave_results: LeaveResults) -> None:
    def hash_of(**changes: object) -> str:
        leave_results(tmp_path, [4] * 10, **{"source": PHANTOM} | changes)  # type: ignore[operator]
        return named(tmp_path)

    recipe = tmp_path / "recipes/cervix.yaml"
    recipe.parent.mkdir()
    recipe.write_text("colour: 1")
    drawn = hash_of()
    assert hash_of(pixels="b") == drawn  # another CPU
    assert hash_of(source=PHANTOM | {"seed": 2}) != drawn
    recipe.write_text("colour: 2")
    assert hash_of() != drawn
    recipe.write_text("colour: 1")
    assert hash_of() == drawn
    replace(tmp_path / "data/organized/cells/manifest.csv", "i03,abnormal,9,8", "i03,abnormal,9,7")
    assert named(tmp_path) != drawn
    away = [hash_of(source=PHANTOM | {"path": path}) for path in ("/recipe.yaml", "../recipe.yaml")]
    assert len({drawn, *away}) == 3


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("results/classifiers/masks/predictions.csv", None, "no such file"),
        ("results/classifiers/masks/predictions.csv", "id,label\n", "columns are missing: group"),
        ("results/classifiers/masks/predictions.csv", "", "not a table"),
        ("results/classifiers/masks/predictions.csv", "id,group\n1\n", "not a table"),
        ("results/classifiers/masks/details.json", None, "no such file"),
        ("results/classifiers/masks/details.json", "{", "not a valid result"),
        ("results/classifiers/masks/details.json", "[]", "not a valid result"),
        ("params.yaml", None, "missing or unreadable"),
        ("params.yaml", "a: [", "missing or unreadable"),
        ("params.yaml", "3", r"has no datasets\.cells"),
        ("data/organized/cells/manifest.csv", None, "no such file"),
        ("data/organized/cells/manifest.csv", "id,label,sha256\n", "the test image 'i00' is not in it"),
    ],
)
def test_what_does_not_tell_of_the_images_is_named(run: Path, file: str, content: str | None, words: str) -> None:
    (run / file).unlink() if content is None else (run / file).write_text(content)
    with pytest.raises(CytopipeError, match=words) as caught:
        named(run)
    assert str(caught.value).startswith(f"{file} of this run: ")


def test_a_dataset_that_the_parameters_do_not_have_is_named(run: Path) -> None:
    (run / "params.yaml").write_text(json.dumps({"datasets": {}}))
    with pytest.raises(CytopipeError, match=r"has no datasets\.cells"):
        named(run, "segmenters")
