from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import SaveImage
from samples import true_mask

NAMES = ("slide1_a.png", "slide1_b.png", "slide2_a.png")


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTERS["folder"].read(raw, options, "datasets.mine.options")


def told(raw: Path, **options: Any) -> str:
    with pytest.raises(CytopipeError) as error:
        read(raw, **options)
    return str(error.value)


@pytest.fixture
def cells(tmp_path: Path, save_image: SaveImage) -> Path:
    """The worked example of the README: images/ and labels.csv."""
    for seed, name in enumerate(NAMES):
        save_image(tmp_path / "images" / name, seed)
    label(tmp_path, "slide1_a.png,normal,P1", "slide1_b.png,abnormal,P1", "slide2_a.png,normal,P2")
    return tmp_path


def label(raw: Path, *rows: str, header: str = "image,label,patient") -> None:
    (raw / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


README: dict[str, Any] = {"csv": "labels.csv", "images": "images", "group": "patient"}


def test_the_worked_example(cells: Path) -> None:
    found = [(sample.id, sample.image.name, sample.label, sample.group) for sample in read(cells, **README)]
    assert found == [
        ("slide1_a", "slide1_a.png", "normal", "P1"),
        ("slide1_b", "slide1_b.png", "abnormal", "P1"),
        ("slide2_a", "slide2_a.png", "normal", "P2"),
    ]
    assert all(sample.mask is None and sample.split is None for sample in read(cells, **README))


def test_without_a_group_each_image_is_its_own(cells: Path) -> None:
    found = read(cells, csv="labels.csv", images="images")
    assert [sample.group for sample in found] == ["slide1_a", "slide1_b", "slide2_a"]


def test_columns_have_the_names_that_you_give(cells: Path) -> None:
    label(cells, "a;slide1_a;Neg;val;x", "b;slide1_b;Pos;Training;y", header="no;File;Diagnosis;Set;Slide")
    label_file = {"csv": "labels.csv", "images": "images", "unlisted": True}
    columns = {"image": "File", "label": "Diagnosis", "split": "Set", "group": "Slide"}
    found = [(sample.id, sample.label, sample.group, sample.split) for sample in read(cells, **label_file, **columns)]
    assert found == [("slide1_a", "Neg", "x", "val"), ("slide1_b", "Pos", "y", "train")]


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("VAL", "val"),
        ("valid", "val"),
        ("validation", "val"),
        ("Test", "test"),
    ],
)
def test_splits_are_known_by_their_usual_words(word: str, split: str, cells: Path) -> None:
    label(cells, *(f"{name},x,{word}" for name in NAMES), header="image,label,split")
    found = read(cells, csv="labels.csv", images="images", split="split")
    assert [sample.split for sample in found] == [split] * 3


def test_another_word_is_no_split(cells: Path) -> None:
    label(cells, f"{NAMES[0]},x,fold 1", header="image,label,split")
    message = told(cells, csv="labels.csv", images="images", split="split")
    assert "labels.csv:2: the split 'fold 1' is not train, val or test" in message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["slide9_a.png,normal,P9"], r"labels.csv:2: 'slide9_a.png' has no image in "),
        (["slide1_a.png,normal,P1"] * 2, "labels.csv:3: 'slide1_a.png' stands in line 2 already"),
        (["slide1_a.png,normal,P1", "slide1_a,normal,P1"], "labels.csv:3: 'slide1_a' stands in line 2 already"),
        (["slide1_a.png,normal,P1"], "labels.csv: 2 images have no row, first images/slide1_b.png\n  -> add rows"),
        (["slide1_a.png,,P1"], "labels.csv:2: the label is empty"),
        (["slide1_a.png,normal,"], "labels.csv:2: the group is empty"),
    ],
    ids=["no image", "twice", "twice by stem", "no row", "no label", "no group"],
)
def test_rows_and_images_must_match(rows: list[str], message: str, cells: Path) -> None:
    label(cells, *rows)
    assert message in told(cells, **README)


def test_images_without_a_row_may_be_left_out(cells: Path) -> None:
    label(cells, "slide1_a.png,normal,P1")
    assert [sample.id for sample in read(cells, **README, unlisted=True)] == ["slide1_a"]


def test_a_column_that_is_missing_is_named_with_those_that_are_there(cells: Path) -> None:
    message = told(cells, csv="labels.csv", images="images", group="slide")
    assert "labels.csv: no column 'slide'; it has 'image', 'label', 'patient'" in message


def test_missing_files_and_folders_are_named(cells: Path) -> None:
    assert "label.csv: no such CSV" in told(cells, csv="label.csv", images="images")
    assert "no folder 'image' in the source\n  -> correct options.images" in told(cells, images="image")


def test_an_unknown_label_is_refused_where_classes_are_given(cells: Path) -> None:
    message = told(cells, **README, classes=["normal"])
    assert "slide1_b.png: the label 'abnormal' is not in options.classes\n  -> correct the label" in message
    assert len(read(cells, **README, classes=["normal", "abnormal"])) == 3


@pytest.mark.parametrize(
    ("pattern", "groups"), [(r"^(slide\d)_", ["slide1"] * 2 + ["slide2"]), (r"_(\w)$", list("aba"))]
)
def test_a_pattern_finds_the_group_in_the_name(pattern: str, groups: list[str], cells: Path) -> None:
    assert [sample.group for sample in read(cells, csv="labels.csv", images="images", group_pattern=pattern)] == groups


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"^(sample\d)", "options.group_pattern: '^(sample\\\\d)' finds no group in 'slide1_a'"),
        (r"slide1|(slide2)", "finds no group in 'slide1_a'"),
        (r"slide\d", "group_pattern: put parentheses around the part that names the group"),
        (r"(slide", "group_pattern: not a regular expression: missing ), unterminated subpattern"),
    ],
    ids=["no match", "empty match", "no parenthesis", "not a pattern"],
)
def test_a_pattern_that_finds_no_group_is_an_error(pattern: str, message: str, cells: Path) -> None:
    assert message in told(cells, csv="labels.csv", images="images", group_pattern=pattern)


# An ImageFolder.


def test_sub_folders_are_classes(tmp_path: Path, save_image: SaveImage) -> None:
    for name in ("HSIL/a.png", "HSIL/deep/b.jpg", "NILM/a.PNG"):
        save_image(tmp_path / name)
    (tmp_path / "NILM" / "notes.txt").write_text("no image")
    found = [(sample.id, sample.label, sample.group, sample.split) for sample in read(tmp_path)]
    assert found == [
        ("HSIL__a", "HSIL", "HSIL/a", None),
        ("HSIL__deep__b", "HSIL", "HSIL/deep/b", None),
        ("NILM__a", "NILM", "NILM/a", None),
    ]


def test_folders_of_splits_are_published_splits(tmp_path: Path, save_image: SaveImage) -> None:
    for name in ("train/1/P1_a.png", "Validation/2/P2_a.png", "TEST/1/P3_a.png"):
        save_image(tmp_path / "DB" / name)
    found = read(tmp_path, images="DB", group_pattern=r"/(P\d)_")
    assert [(sample.label, sample.split, sample.group) for sample in found] == [
        ("1", "test", "P3"),
        ("2", "val", "P2"),
        ("1", "train", "P1"),
    ]


def test_a_class_may_be_called_test(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "test/a.png")
    assert [(sample.label, sample.split) for sample in read(tmp_path)] == [("test", None)]


def test_an_image_outside_the_class_folders_is_an_error(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "a.png")
    assert "a.png: an image outside the class folders\n  -> name the labels' file in options.csv" in told(tmp_path)


@pytest.mark.parametrize("names", [("x/a b.png", "x/a_b.png"), ("x/a.png", "x/a.jpg")])
def test_two_images_of_one_id_are_an_error(names: tuple[str, str], tmp_path: Path, save_image: SaveImage) -> None:
    for name in names:
        save_image(tmp_path / name)
    assert "two images have the id 'x__a" in told(tmp_path)


def test_ids_are_safe_file_names(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "x/HSIL_1 (1): é.png")
    assert [sample.id for sample in read(tmp_path)] == ["x__HSIL_1_1_é"]


# Masks.


@pytest.fixture
def masked(cells: Path) -> Path:
    for index, name in enumerate(NAMES):
        (cells / "truth").mkdir(exist_ok=True)
        mask = np.zeros((12, 10), np.uint8)
        mask[:6], mask[:3] = 100, 50 * index
        Image.fromarray(mask).save(cells / "truth" / name)
    return cells


VALUES = {0: 0, 50: 2, 100: 1}


def check(samples: list[Sample]) -> None:
    for sample, top in zip(samples, (0, 2, 1), strict=True):
        assert true_mask(sample, (12, 10))[:, 0].tolist() == [top] * 3 + [1] * 3 + [0] * 6


def test_masks_lie_in_a_folder_under_the_same_names(masked: Path) -> None:
    check(read(masked, **README, masks="truth", mask_values=VALUES))


def test_masks_below_the_folder_of_the_images_are_no_images(masked: Path) -> None:
    (masked / "truth").rename(masked / "images" / "truth")
    check(read(masked, **README, masks="images/truth", mask_values=VALUES))


def test_masks_are_named_in_a_column(masked: Path) -> None:
    rows = [f"images/{name},x,truth/{name}" for name in NAMES]
    label(masked, *rows, header="image,label,segmentation")
    check(read(masked, csv="labels.csv", mask="segmentation", mask_values=VALUES))


def test_a_mask_value_without_a_meaning_is_named(masked: Path) -> None:
    sample = read(masked, **README, masks="truth")[0]
    with pytest.raises(CytopipeError, match=r"truth/slide1_a\.png: mask values \[100\] are none of \[0, 1, 2\]"):
        true_mask(sample, (12, 10))


def test_a_meaning_is_background_cytoplasm_or_nucleus(masked: Path) -> None:
    assert "mask_values.100: Input should be 0, 1 or 2 (given: 3)" in told(
        masked, **README, masks="truth", mask_values={100: 3}
    )


def test_a_missing_or_truncated_mask_is_named(masked: Path) -> None:
    sample = read(masked, **README, masks="truth")[1]
    path = masked / "truth" / "slide1_b.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CytopipeError, match=r"slide1_b\.png: the image cannot be decoded"):
        true_mask(sample, (12, 10))
    path.unlink()
    with pytest.raises(CytopipeError, match=r"slide1_b\.png: no such mask\n  -> restore it"):
        true_mask(sample, (12, 10))
