"""Folders as people have them: what is a split, a class, a patient, an archive's own folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from files_of_people import cell, cell_mask, names, save, table, tree
from organized import Outcome, organized

PUBLISHED = {"kind": "published", "val": 0.25, "test": 0.25, "seed": 0}
GROUPED = {"kind": "grouped", "val": 0.25, "test": 0.25, "seed": 0}


def taken(folders: dict[str, int], tmp_path: Path, caplog: pytest.LogCaptureFixture, **changes: Any) -> Outcome:
    """What becomes of folders with so many images."""
    tree(tmp_path / "cells", names(folders))
    return organized(tmp_path / "cells", tmp_path / "work", caplog, **changes)


def below(*levels: tuple[str, ...], each: int = 4) -> dict[str, int]:
    """The same number of images in each combination of the names of some levels."""
    paths = [""]
    for level in levels:
        paths = [f"{path}/{name}" if path else name for path in paths for name in level]
    return dict.fromkeys(paths, each)


NORMAL = ("abnormal", "normal")


# Splits.


@pytest.mark.parametrize(
    "splits",
    [
        ("train", "val", "test"),
        ("Train", "Val", "Test"),
        ("TRAINING", "VALIDATION", "TESTING"),
        ("training_set", "validation_set", "test_set"),
        ("train_data", "valid", "test_data"),
        ("TrainSet", "ValSet", "TestSet"),
        ("train-images", "val-images", "test-images"),
        ("train", "dev", "test"),
        ("1_train", "2_val", "3_test"),
        ("trainset", "valset", "testset"),
        ("cells_train", "cells_val", "cells_test"),
        ("herlev-train", "herlev-valid", "herlev-test"),
        ("X_train", "X_val", "X_test"),
        ("train (1)", "val (1)", "test (1)"),
        ("train", "eval", "holdout"),
    ],
    ids="/".join,
)
def test_splits_are_known_by_their_words(
    splits: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(below(splits, NORMAL), tmp_path, caplog, split=PUBLISHED)
    assert found.refusal == ""
    assert found.classes == {"abnormal": 12, "normal": 12}
    assert found.splits == {"train": 8, "val": 8, "test": 8}
    for row in found.rows:
        assert row.source.split("/")[0] == splits[["train", "val", "test"].index(row.split)]


@pytest.mark.parametrize(
    "splits",
    [("train", "test"), ("training_set", "test_set"), ("Training", "Testing"), ("TrainA", "TestA")],
    ids="/".join,
)
def test_images_for_validation_are_drawn_from_train_where_there_are_none(
    splits: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(below(splits, NORMAL, each=8), tmp_path, caplog, split=PUBLISHED)
    assert found.refusal == ""
    assert found.splits == {"train": 12, "val": 4, "test": 16}
    assert {row.split for row in found.rows if row.source.startswith(f"{splits[1]}/")} == {"test"}
    assert "no images for validation: with split.kind: published they are drawn from train" in found.log


def test_several_folders_of_one_split_are_one_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(("TRAIN", "TEST", "TEST_SIMPLE"), ("EOSINOPHIL", "LYMPHOCYTE")), tmp_path, caplog)
    assert found.classes == {"EOSINOPHIL": 12, "LYMPHOCYTE": 12}
    assert "split/class: TEST is test, TEST_SIMPLE is test, TRAIN is train" in found.log


def test_the_larger_part_may_be_train_and_validation_in_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(("trainval", "test"), NORMAL, each=8), tmp_path, caplog, split=PUBLISHED)
    assert found.splits == {"train": 12, "val": 4, "test": 16}


def test_splits_below_the_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(NORMAL, ("train", "val", "test")), tmp_path, caplog, split=PUBLISHED)
    assert found.classes == {"abnormal": 12, "normal": 12}
    assert found.splits == {"train": 8, "val": 8, "test": 8}


def test_folds_are_no_splits_and_no_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folds = below(("fold1", "fold2", "fold3", "fold4"), NORMAL)
    found = taken(folds, tmp_path, caplog)
    assert found.classes == {"abnormal": 16, "normal": 16}
    assert "options.folders: group/class keeps each on one side of the split" in found.log
    grouped = organized(
        tmp_path / "cells", tmp_path / "work", caplog, options={"folders": "group/class"}, split=GROUPED
    )
    assert grouped.groups == {"fold1": 8, "fold2": 8, "fold3": 8, "fold4": 8}
    refused = organized(tmp_path / "cells", tmp_path / "work", caplog, split=PUBLISHED)
    assert "use kind: grouped" in refused.refusal


@pytest.mark.parametrize(
    ("folders", "message", "hint"),
    [
        (below(("train", "test")), "the images of 'test', 'train' lie in no folder of a class", "options.csv"),
        (
            below(("train",), NORMAL) | {"test": 4},
            "the images of 'test' lie in no folder of a class",
            "take these folders out of the source",
        ),
        (below(("trainA", "trainB", "testA", "testB")), "lie in no folder of a class", "options.folders: class"),
        (
            below(("train", "test", "extra"), NORMAL),
            "the folders 'test', 'train' are splits, but 'extra' beside them is not",
            "rename 'extra' to train, val or test, or take it out",
        ),
        (
            below(("train", "unseen"), NORMAL),
            "the folders 'train' are splits, but 'unseen' beside them is not",
            "rename 'unseen'",
        ),
        (
            below(("train", "val"), NORMAL) | below(("set", "set/train"), NORMAL),
            "the folders 'train', 'val' are splits, but 'set' beside them is not",
            "take it out of the source",
        ),
        (
            below(("train_normal", "train_abnormal", "test_normal", "test_abnormal")),
            "name a split and a class in one",
            "train/normal",
        ),
    ],
    ids=["no classes", "test without classes", "domains", "extra", "unknown word", "a copy", "joined"],
)
def test_splits_that_cannot_be_read_are_refused(
    folders: dict[str, int], message: str, hint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(folders, tmp_path, caplog)
    assert message in found.refusal and hint in found.refusal and found.rows == []


def test_a_class_may_be_called_test(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken({"test": 8, "control": 8}, tmp_path, caplog)
    assert found.classes == {"control": 8, "test": 8}


# Patients.

PATIENTS = ("P1", "P2", "P3", "P4", "P5", "P6")
PEOPLE = [
    PATIENTS,
    ("8863", "8864", "9135", "9254", "10253", "10254"),
    tuple(f"patient_{number:02}" for number in range(6)),
    tuple(f"Slide {number}" for number in range(1, 7)),
    tuple(f"case-{number}" for number in range(1, 7)),
    tuple(f"TCGA-{letter}1-A0S{letter}" for letter in "ABCDEF"),
    tuple(f"2021-03-0{number}" for number in range(1, 7)),
    ("001", "002", "003", "004", "005", "006"),
    tuple(f"C{number}P{number - 30}ThinF" for number in range(100, 106)),
]


@pytest.mark.parametrize("people", PEOPLE, ids=[people[0] for people in PEOPLE])
@pytest.mark.parametrize("above", [True, False], ids=["patient/class", "class/patient"])
def test_patients_above_and_below_the_classes_are_groups(
    above: bool, people: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = below(people, NORMAL, each=2) if above else below(NORMAL, people, each=2)
    found = taken(folders, tmp_path, caplog, split=GROUPED)
    assert found.classes == {"abnormal": 12, "normal": 12}
    assert found.groups == dict.fromkeys(sorted(people), 4)
    assert all(len({row.split for row in found.rows if row.group == person}) == 1 for person in people)
    stated = "group/class; any/class" if above else "class/group; class/any"
    assert f"(options.folders: {stated} if they are not)" in found.log


def test_classes_that_are_numbers_below_patients(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(PEOPLE[1], ("0", "1"), each=2), tmp_path, caplog, split=GROUPED)
    assert found.classes == {"0": 12, "1": 12}
    assert found.groups == dict.fromkeys(sorted(PEOPLE[1]), 4)


@pytest.mark.parametrize(
    "levels",
    [
        (("train", "test"), PATIENTS, NORMAL),
        (("train", "test"), NORMAL, PATIENTS),
        (PATIENTS, ("a", "b"), ("train", "test")),
    ],
    ids=["split/patient/class", "split/class/patient", "patient/class/split"],
)
def test_splits_patients_and_classes(
    levels: tuple[tuple[str, ...], ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(below(*levels, each=1), tmp_path, caplog, split=GROUPED)
    assert list(found.classes.values()) == [12, 12]
    assert found.groups == dict.fromkeys(PATIENTS, 4)
    torn = organized(tmp_path / "cells", tmp_path / "work", caplog, split=PUBLISHED)
    assert "lie in several splits, first 'P1'" in torn.refusal


def test_slides_of_patients_below_the_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(NORMAL, PATIENTS, ("slide1", "slide2"), each=1), tmp_path, caplog, split=GROUPED)
    assert found.classes == {"abnormal": 12, "normal": 12}
    assert found.groups == dict.fromkeys(PATIENTS, 4)


def test_the_reading_of_patients_can_be_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(NORMAL, PATIENTS, each=1), tmp_path, caplog, options={"folders": "class/any"})
    assert set(found.groups.values()) == {1} and len(found.groups) == 12
    other = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"folders": "group/class"}, split=GROUPED)
    assert "2 groups cannot be divided over 3 splits" in other.refusal


def test_a_pattern_comes_before_the_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(NORMAL, PATIENTS, each=1), tmp_path, caplog, options={"group_pattern": "(c..)"})
    assert set(found.groups) == {"c00", "c01"}


@pytest.mark.parametrize(
    ("folders", "message", "options"),
    [
        (
            below(PEOPLE[1]),
            "the 6 folders '10253', '10254', '8863', '8864' and 2 more look like patients",
            ("group", "class"),
        ),
        (below(PATIENTS), "look like patients, slides or cases, not like classes", ("group", "class")),
        (below(("batch1", "batch2")), "look like parts of a set", ("group", "class")),
        (below(("train", "test"), PATIENTS), "look like patients", ("split/group", "split/class")),
        (below(("colon", "lung"), NORMAL), "which folders are the classes", ("class", "any/class", "group/class")),
        (below(("1", "2", "3"), ("0", "1")), "which folders are the classes", ("class", "any/class", "class/group")),
        (
            {"benign/adenosis": 4, "benign/fibroma": 4, "malignant/ductal": 4, "malignant/lobular": 4},
            "which folders are the classes: 'benign', 'malignant' (class) or 'adenosis'",
            ("class", "any/class"),
        ),
    ],
    ids=["numbers", "P1", "batches", "with splits", "organs", "two numbers", "sub-types"],
)
def test_what_is_unclear_is_refused_with_the_readings_to_choose_from(
    folders: dict[str, int],
    message: str,
    options: tuple[str, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = taken(folders, tmp_path, caplog)
    assert message in found.refusal and "options.folders" in found.refusal
    assert all(option in found.refusal for option in options)
    level = next(option for option in options if option.endswith("class"))
    stated = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"folders": level})
    assert stated.refusal == "" and len(stated.classes) > 1


@pytest.mark.parametrize(
    "classes",
    [
        ("0", "1"), ("1", "2", "3", "4"), ("CIN1", "CIN2", "CIN3"), ("class_0", "class_1"), ("grade 1", "grade 2"),
        ("covid19", "normal", "pneumonia"), ("HER2_0", "HER2_1", "HER2_2"), ("001.Basophil", "002.Monocyte"),
        ("HEK293", "HeLa"), ("G1", "S", "G2", "M"), ("label_0", "label_1"), ("Ki67_low", "Ki67_high"),
        ("im_Dyskeratotic", "im_Parabasal"), ("正常", "異常"), ("with_mask", "without_mask"),
        ("0um", "10um", "100um"),
    ],
    ids="/".join,
)  # fmt: skip
def test_classes_of_all_kinds_of_names(
    classes: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(below(classes, each=6), tmp_path, caplog)
    assert found.classes == dict.fromkeys(sorted(classes), 6)
    assert set(found.groups.values()) == {1}


# Folders that mean nothing, and images at several depths.


@pytest.mark.parametrize("wrapper", ["my_cells", "data/v2/cells", "Dataset 1", "my_cells/my_cells", "test-cells"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_an_archives_own_folder_is_no_class(
    wrapper: str, packed: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = taken(below(NORMAL, each=8), tmp_path, caplog)
    shutil.copytree(tmp_path / "cells", tmp_path / "root" / wrapper)
    (tmp_path / "root/__MACOSX").mkdir()
    (tmp_path / "root/README.txt").write_text("cells")
    source = tmp_path / "root"
    if packed:
        source = Path(shutil.make_archive(str(tmp_path / "cells"), "zip", source))
    found = organized(source, tmp_path / "work", caplog)
    assert found.classes == plain.classes == {"abnormal": 8, "normal": 8}
    assert [(row.id, row.split, row.sha256) for row in found.rows] == [
        (row.id, row.split, row.sha256) for row in plain.rows
    ]


@pytest.mark.parametrize("wrapper", ["my_cells", "a/b"])
def test_an_archives_own_folder_above_a_table(wrapper: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = names({"images": 12})
    home = tree(tmp_path / "root" / wrapper, files)
    rows = [(Path(name).name, NORMAL[seed % 2], f"P{seed // 2}") for seed, name in enumerate(files)]
    table(home / "labels.csv", [("image", "label", "patient"), *rows])
    options = {"csv": "labels.csv", "images": "images", "group": "patient"}
    found = organized(tmp_path / "root", tmp_path / "work", caplog, options=options)
    plain = organized(home, tmp_path / "work", caplog, options=options)
    assert found.refusal == plain.refusal == ""
    assert [(row.id, row.group, row.split) for row in found.rows] == [
        (row.id, row.group, row.split) for row in plain.rows
    ]


def test_a_table_that_is_missing_below_an_archives_own_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", names({"my_cells/images": 4}))
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"csv": "labels.csv", "images": "images"})
    assert "labels.csv: no such" in found.refusal


def test_the_group_of_a_table_may_be_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = names(below(PATIENTS, each=2))
    tree(tmp_path / "cells", files)
    table(tmp_path / "cells/t.csv", [("image", "label"), *((n, NORMAL[seed % 2]) for seed, n in enumerate(files))])
    options = {"csv": "t.csv", "folders": "group"}
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options=options, split=GROUPED)
    assert found.groups == dict.fromkeys(PATIENTS, 2)
    options = {"csv": "t.csv", "folders": "class"}
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options=options)
    assert "options.csv names the labels, and options.folders a class" in found.refusal


def test_levels_that_say_nothing_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(NORMAL, ("CROPPED",), each=6), tmp_path, caplog)
    assert found.classes == {"abnormal": 6, "normal": 6}
    found = taken(below(NORMAL, ("40X", "100X", "200X"), each=2), tmp_path / "b", caplog)
    assert found.classes == {"abnormal": 6, "normal": 6}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            below(NORMAL) | below(("cells",), NORMAL),
            "the folder 'cells' holds 'abnormal', 'normal', which also lie beside it",
        ),
        (below(NORMAL) | {"normal/abnormal": 2}, "the folder 'normal' holds 'abnormal', which also lies beside it"),
        (
            {"normal": 4, "abnormal/mild": 4, "abnormal/severe": 4},
            "'normal' hold images, but 'abnormal' beside them holds the folders 'mild', 'severe': which are",
        ),
        ({"my_cells": 8}, "all 8 images are of the one class 'my_cells'; a classifier needs two"),
        ({"a/my_cells": 8}, "all 8 images are of the one class 'my_cells'; a classifier needs two"),
        ({"train/normal": 4, "test/normal": 4}, "all 8 images are of the one class 'normal'; a classifier needs two"),
    ],
    ids=["a copy", "nested", "sub-types", "one folder", "one folder in one", "one class in splits"],
)
def test_trees_that_are_no_dataset_are_refused(
    folders: dict[str, int], message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(folders, tmp_path, caplog)
    assert message in found.refusal and found.rows == []


def test_images_outside_the_folders_name_the_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", ["a.png", "b.png"])
    table(tmp_path / "cells/labels.csv", [("image", "label")])
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert "a.png: an image outside the class folders, and 1 more" in found.refusal
    assert "name the labels' file in options.csv (is it labels.csv?)" in found.refusal


def test_images_deeper_in_a_class_are_of_the_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken({"normal": 4, "abnormal": 4, "abnormal/more": 4}, tmp_path, caplog)
    assert found.classes == {"abnormal": 8, "normal": 4}
    found = taken({"normal": 4, "abnormal/P1": 4, "abnormal/P2": 4}, tmp_path / "b", caplog)
    assert found.classes == {"abnormal": 8, "normal": 4}
    assert "the folders 'P1', 'P2' below the classes look like patients or slides, but not every" in found.log


def test_a_class_without_an_image_that_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", names(below(NORMAL, each=6)))
    (tmp_path / "cells/empty").mkdir()
    (tmp_path / "cells/docs").mkdir()
    (tmp_path / "cells/docs/protocol.txt").write_text("Giemsa")
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert found.classes == {"abnormal": 6, "normal": 6}
    assert "the folder 'docs' beside the classes holds 1 files, but no image that is read here" in found.log
    (tmp_path / "cells/blast").mkdir()
    (tmp_path / "cells/blast/a.czi").write_bytes(b"ZISRAWFILE")
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert (
        "the folder 'blast' beside the classes holds 1 files, but no image that is read here, first a.czi"
        in found.refusal
    )


# Masks among the images.


@pytest.mark.parametrize("word", ["masks", "mask", "labels", "Ground Truth", "GT", "annotations", "cell_masks"])
@pytest.mark.parametrize(
    "place", ["{label}/images:{label}/{word}", "{label}:{label}/{word}", "images/{label}:{word}/{label}"]
)
def test_masks_are_no_classes(place: str, word: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, masks = place.split(":")
    for seed in range(12):
        label = NORMAL[seed % 2]
        save(tmp_path / "cells" / images.format(label=label, word=word) / f"c{seed}.png", cell(seed))
        save(tmp_path / "cells" / masks.format(label=label, word=word) / f"c{seed}.png", cell_mask())
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert found.classes == {"abnormal": 6, "normal": 6}
    assert all("c" in Path(source).name and word not in source for source in found.sources)
    assert "12 images in " in found.log and "are taken for masks" in found.log


@pytest.mark.parametrize("suffix", ["_mask", "-mask", " mask", "_mask_1", "_seg", "_GT"])
def test_masks_beside_their_images_are_no_images(suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for seed in range(12):
        save(tmp_path / "cells" / NORMAL[seed % 2] / f"c ({seed}).png", cell(seed))
        save(tmp_path / "cells" / NORMAL[seed % 2] / f"c ({seed}){suffix}.png", cell_mask())
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert found.classes == {"abnormal": 6, "normal": 6}
    assert not any(suffix in source for source in found.sources)
    assert "12 images named like masks are taken for masks" in found.log


def test_a_folder_of_masks_among_the_classes_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(below(("abnormal", "normal", "masks")), tmp_path, caplog)
    assert "the folder 'masks' beside 'abnormal', 'normal' is named like masks: is it a class?" in found.refusal
    assert "options.masks: masks" in found.refusal and "options.folders: class if 'masks' is a class" in found.refusal
    stated = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"folders": "class"})
    assert stated.classes == {"abnormal": 4, "masks": 4, "normal": 4}


# What options.folders states.


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("class/patient", "'patient' is none of split, class, group, any; write one for each level"),
        ("class/class", "'class' stands twice"),
        ("group", "options.folders (group) names no class"),
        ("split/group/class", "this image lies in 2 folders, but options.folders names 3 levels (split/group/class)"),
        ("split/class", "options.folders says that 'abnormal' is a split, but its name is none of train, val and test"),
    ],
)
def test_a_reading_that_does_not_fit_is_refused(
    stated: str, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = taken(below(NORMAL, PATIENTS, each=1), tmp_path, caplog, options={"folders": stated})
    assert message in found.refusal and found.rows == []
