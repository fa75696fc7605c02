"""What `cytopipe inspect` says of folders as people have them, and whether what it writes runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from cytopipe.inspection.look import _PRESETS, look
from cytopipe.inspection.seen import Seen
from cytopipe.presets.files import list_presets
from files_of_people import cell, cell_mask, names, save, table, tree
from made_annotations import field, geojson
from organized import organized

TWO = ("abnormal", "normal")
PEOPLE = tuple(f"P{number}" for number in range(1, 7))


def below(*levels: tuple[str, ...], each: int = 4) -> dict[str, int]:
    """The same number of images in each combination of the names of some levels."""
    paths = [""]
    for level in levels:
        paths = [f"{path}/{name}" if path else name for path in paths for name in level]
    return dict.fromkeys(paths, each)


def listed(root: Path, header: tuple[str, ...], folder: str = "images", count: int = 24, **options: Any) -> Path:
    """Images, and a table `labels.csv` of them, with two classes, six patients and three splits."""
    files = names({folder: count} if folder else {".": count})
    tree(root, files)
    rows = [(Path(n).name, TWO[i % 2], PEOPLE[i // 4], ("train", "val", "test")[i // 8]) for i, n in enumerate(files)]
    table(root / "labels.csv", [header, *(row[: len(header)] for row in rows)], **options)
    return root


def check(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, groups: int | None) -> Seen:
    """Look at a source, and organize it with what fits: classes, splits and groups are those that were seen."""
    seen = look(source)
    assert seen.fit.unclear == ()
    split = {"kind": seen.fit.split, "val": 0.2, "test": 0.2, "seed": 0}
    found = organized(source, tmp_path / "work", caplog, options=seen.fit.options, split=split)
    assert found.refusal == ""
    assert found.classes == seen.fit.classes
    if groups is None:
        assert seen.fit.groups == 0 and len(found.groups) == len(found.rows)
    else:
        assert seen.fit.groups == len(found.groups) == groups
    if seen.fit.split == "published" and "val" in seen.fit.splits:
        assert found.splits == dict(sorted(seen.fit.splits.items()))
    return seen


@pytest.mark.parametrize(
    ("folders", "reading", "split", "groups"),
    [
        (below(TWO, each=8), "class", "random", None),
        (below(("my_cells",), TWO, each=8), "class", "random", None),
        (below(("train", "val", "test"), TWO), "split/class", "published", None),
        (below(("training_set", "test_set"), TWO, each=8), "split/class", "published", None),
        (below(TWO, ("Train", "Valid", "Test")), "class/split", "published", None),
        (below(PEOPLE, TWO, each=2), "group/class", "grouped", 6),
        (below(TWO, PEOPLE, each=2), "class/group", "grouped", 6),
        (below(("train", "test"), PEOPLE, TWO, each=2), "split/group/class", "grouped", 6),
        (below(("a", "b"), ("train",), each=8), "class/split", "random", None),
        (below(("fold1", "fold2", "fold3"), TWO), "any/class", "random", None),
        (below(TWO, ("40X", "100X")), "class/any", "random", None),
    ],
    ids=["classes", "in one folder", "splits", "training_set", "splits below", "patients above", "patients below",
         "torn by the split", "train alone", "folds", "magnifications"],
)  # fmt: skip
def test_folders(
    folders: dict[str, int],
    reading: str,
    split: str,
    groups: int | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tree(tmp_path / "cells", names(folders))
    seen = check(tmp_path / "cells", tmp_path, caplog, groups)
    assert seen.fit.options == {"folders": reading}
    assert seen.fit.split == split
    assert sum(seen.fit.classes.values()) == seen.pictures.count == sum(folders.values())


def test_an_archive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells/my cells", names(below(TWO, each=8)))
    packed = Path(shutil.make_archive(str(tmp_path / "cells"), "zip", tmp_path / "cells"))
    seen = check(packed, tmp_path, caplog, None)
    assert (seen.home, seen.files, seen.fit.classes) == ("my cells", 16, {"abnormal": 8, "normal": 8})


@pytest.mark.parametrize(
    ("header", "options", "split", "groups"),
    [
        (("image", "label"), {"image": "image", "label": "label"}, "random", None),
        (("Image ID", "class label"), {"image": "Image ID", "label": "class label"}, "random", None),
        (("file", "Diagnosis", "PatientID"), {"label": "Diagnosis", "group": "PatientID"}, "grouped", 6),
        (("filename", "dx", "patient", "split"), {"label": "dx", "split": "split"}, "published", 6),
        (("name", "what", "subject_id"), {"label": "what", "group": "subject_id"}, "grouped", 6),
    ],
    ids=["plain", "other names", "patients", "splits", "one column left"],
)
@pytest.mark.parametrize("folder", ["images", "cells/crops", ""], ids=["images", "two folders", "beside"])
def test_tables(
    folder: str,
    header: tuple[str, ...],
    options: dict[str, str],
    split: str,
    groups: int | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed(tmp_path / "cells", header, folder)
    seen = check(tmp_path / "cells", tmp_path, caplog, groups)
    assert seen.fit.options["csv"] == "labels.csv" and seen.fit.options["images"] == (folder or ".")
    assert options.items() <= seen.fit.options.items()
    assert seen.fit.split == split
    assert (seen.tables[0].rows, seen.tables[0].named) == (24, 24)


def test_a_table_in_an_archives_own_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listed(tmp_path / "cells/all", ("image", "label", "patient"))
    seen = check(tmp_path / "cells", tmp_path, caplog, 6)
    assert seen.fit.options["csv"] == "all/labels.csv" and seen.fit.options["images"] == "all/images"


def test_a_table_of_semicolons_and_patient_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = names(below(PEOPLE))
    tree(tmp_path / "cells", files)
    rows = [(n, TWO[i % 2], n.partition("/")[0]) for i, n in enumerate(files)]
    table(tmp_path / "cells/t.csv", [("path", "label", "patient"), *rows], separator=";")
    seen = check(tmp_path / "cells", tmp_path, caplog, 6)
    assert seen.fit.options["images"] == "." and seen.fit.options["image"] == "path"


@pytest.mark.parametrize(
    ("top", "reading", "split", "groups"),
    [(("train", "val", "test"), "split", "published", None), (PEOPLE, "group", "grouped", 6)],
    ids=["splits", "patients"],
)
def test_folders_that_say_more_than_the_table(
    top: tuple[str, ...],
    reading: str,
    split: str,
    groups: int | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = names(below(top))
    tree(tmp_path / "cells", files)
    table(tmp_path / "cells/t.csv", [("image", "label"), *((n, TWO[i % 2]) for i, n in enumerate(files))])
    seen = check(tmp_path / "cells", tmp_path, caplog, groups)
    assert seen.fit.options["folders"] == reading and seen.fit.split == split


def test_images_that_the_table_does_not_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listed(tmp_path / "cells", ("image", "label", "patient"))
    save(tmp_path / "cells/images/more.png", cell(99))
    seen = check(tmp_path / "cells", tmp_path, caplog, 6)
    assert seen.fit.options["unlisted"] is True
    assert "1 images that the table does not name are left out" in seen.fit.why["unlisted"]


@pytest.mark.parametrize(
    ("stem", "groups"),
    [("slide{person}_c{number}", 6), ("P{person}_{number:03}", 6), ("patient-{person}-{number}", 6)],
)
def test_groups_in_the_names_of_files(stem: str, groups: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(
        tmp_path / "cells",
        [f"{TWO[number % 2]}/{stem.format(person=number // 4, number=number)}.png" for number in range(24)],
    )
    seen = check(tmp_path / "cells", tmp_path, caplog, groups)
    assert "group_pattern" in seen.fit.options and seen.fit.split == "grouped"


def test_names_that_may_be_groups_are_candidates_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", [f"{TWO[number % 2]}/x{number // 4}_{number}.png" for number in range(24)])
    seen = check(tmp_path / "cells", tmp_path, caplog, None)
    assert [(group.option, group.groups) for group in seen.groups] == [("group_pattern", 6)]
    assert "no patient or slide is known" in seen.fit.why["split.kind"]


def test_a_published_split_with_one_image_twice_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tree(tmp_path / "cells", names(below(("train", "val", "test"), TWO)))
    shutil.copy(root / "train/normal/c004.png", root / "test/normal/again.png")
    seen = check(root, tmp_path, caplog, None)
    assert seen.fit.split == "random"
    assert "cannot be used: one image lies in 'train' and in 'test'" in seen.fit.why["split.kind"] or (
        "cannot be used: one image lies in 'test' and in 'train'" in seen.fit.why["split.kind"]
    )


@pytest.mark.parametrize("values", [(1, 2), (128, 255), (3, 9)], ids=["ours", "usual", "others"])
def test_masks_in_a_folder(values: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = listed(tmp_path / "cells", ("image", "label", "patient"))
    for path in (root / "images").iterdir():
        save(root / "masks" / path.name, cell_mask(24, *values))
    seen = check(root, tmp_path, caplog, 6)
    assert seen.masks.folders == ("masks",) and seen.masks.files == 24 and seen.masks.values == (0, *values)
    assert seen.pictures.count == 24
    if values == (3, 9):
        assert "masks" not in seen.fit.options
        assert "values 0, 3, 9: to learn from them, set masks: masks and mask_values" in seen.fit.why["masks"]
    else:
        assert seen.fit.options["masks"] == "masks"
        assert seen.fit.options.get("mask_values") == (None if values == (1, 2) else {0: 0, 128: 1, 255: 2})


@pytest.mark.parametrize("folder", [".", "images"])
@pytest.mark.parametrize("stem", ["c{}", "{:03}"], ids=["names", "numbers that Excel cut"])
def test_masks_beside_images_of_their_stem(
    stem: str, folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = []
    for seed in range(24):
        save(tmp_path / "cells" / folder / f"{stem.format(seed)}.bmp", cell(seed))
        save(tmp_path / "cells" / folder / f"{stem.format(seed)}.png", cell_mask(24, 128, 255))
        rows.append((stem.format(seed) if stem == "c{}" else seed, TWO[seed % 2]))
    table(tmp_path / "cells/labels.csv", [("image", "label"), *rows])
    seen = check(tmp_path / "cells", tmp_path, caplog, None)
    assert seen.masks.suffixes == (".bmp", ".png") and seen.masks.files == 24
    assert seen.fit.classes == {"abnormal": 12, "normal": 12} and not seen.fit.unclear
    wanted = {"suffix": ".bmp", "masks": folder, "mask_values": {0: 0, 128: 1, 255: 2}}
    assert wanted.items() <= seen.fit.options.items()
    found = organized(tmp_path / "cells", tmp_path / "again", caplog, options=seen.fit.options)
    assert found.summary["masks"] == 24 and all(source.endswith(".bmp") for source in found.sources)


def test_masks_beside_images_by_their_ending(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for seed in range(24):
        save(tmp_path / "cells" / TWO[seed % 2] / f"c{seed}.png", cell(seed))
        save(tmp_path / "cells" / TWO[seed % 2] / f"c{seed}_mask.png", cell_mask())
    seen = check(tmp_path / "cells", tmp_path, caplog, None)
    assert seen.fit.options["mask_suffix"] == "_mask" and seen.fit.classes == {"abnormal": 12, "normal": 12}
    found = organized(tmp_path / "cells", tmp_path / "again", caplog, options=seen.fit.options)
    assert found.summary["masks"] == 24 and found.classes == {"abnormal": 12, "normal": 12}


@pytest.mark.parametrize("place", ["images/{label}:masks/{label}", "{label}/images:{label}/masks"])
def test_masks_beside_class_folders(place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images, masks = place.split(":")
    for seed in range(24):
        save(tmp_path / "cells" / images.format(label=TWO[seed % 2]) / f"c{seed}.png", cell(seed))
        save(tmp_path / "cells" / masks.format(label=TWO[seed % 2]) / f"c{seed}.png", cell_mask())
    seen = check(tmp_path / "cells", tmp_path, caplog, None)
    assert seen.fit.classes == {"abnormal": 12, "normal": 12}
    assert seen.masks.files == 24
    assert ("masks" in seen.fit.options) is place.startswith("images")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (below(PEOPLE), "look like patients, slides or cases, not like classes"),
        (below(("colon", "lung"), TWO), "which folders are the classes"),
        ({"cells": 8}, "all images are of the one class 'cells'; a classifier needs two"),
        (below(("train", "test")), "lie in no folder of a class"),
        ({".": 4}, "an image outside the class folders"),
        (below((*TWO, "masks")), "is named like masks: is it a class?"),
        ({"normal/P1": 4, "normal/P2": 4, "abnormal/P3": 4}, "the class 'abnormal' has 1 group (P3)"),
    ],
    ids=["patients", "organs", "one class", "splits", "no folders", "masks", "few groups"],
)
def test_what_has_to_be_decided(folders: dict[str, int], message: str, tmp_path: Path) -> None:
    tree(tmp_path / "cells", names(folders))
    seen = look(tmp_path / "cells")
    assert any(message in note for note in seen.fit.unclear)
    assert str(tmp_path) not in " ".join(seen.fit.unclear)


def test_a_table_whose_classes_are_not_clear(tmp_path: Path) -> None:
    files = names({"images": 12})
    tree(tmp_path / "cells", files)
    rows = [(Path(name).name, i % 2, i % 3, i % 4) for i, name in enumerate(files)]
    table(tmp_path / "cells/t.csv", [("image", "a", "b", "c"), *rows])
    assert (
        "which of its columns 'image', 'a', 'b', 'c' is the class is not clear"
        in look(tmp_path / "cells").fit.unclear[0]
    )


def test_a_name_that_fits_two_images(tmp_path: Path) -> None:
    for seed in range(12):
        save(tmp_path / "cells/images" / f"{seed:03}.bmp", cell(seed))
        save(tmp_path / "cells/images" / f"{seed:03}.png", cell(100 + seed))
    table(tmp_path / "cells/t.csv", [("image", "label"), *((f"{i:03}", TWO[i % 2]) for i in range(12))])
    assert "t.csv: '000' fits 000.bmp and 000.png: which is the image" in look(tmp_path / "cells").fit.unclear[0]


def test_names_in_pairs_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for seed in range(12):
        save(tmp_path / "cells" / TWO[seed % 2] / f"{seed}-d.bmp", cell(seed))
        save(tmp_path / "cells" / TWO[seed % 2] / f"{seed}.bmp", cell(100 + seed))
    note = "12 of 24 images are named like another with '-d' added"
    assert note in look(tmp_path / "cells").fit.unclear[0]
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert note in found.log and found.classes == {"abnormal": 12, "normal": 12}


def test_a_published_dataset_is_known(tmp_path: Path) -> None:
    tree(
        tmp_path / "DB_4",
        [f"{split}/{label}/X_1 ({label}).png" for split in ("train", "validation") for label in "1234"],
    )
    assert look(tmp_path).known == (("bethesda", "liquid-based cytology DB_4"),)
    assert look(tmp_path / "DB_4").known == (("bethesda", "liquid-based cytology DB_4"),)


def test_sizes_modes_and_bit_depths(tmp_path: Path) -> None:
    root = tmp_path / "cells"
    save(root / "a/1.png", cell(1, 20))
    save(root / "a/2.png", cell(2, 30)[:, :, 0])
    save(root / "b/3.tif", cell(3, 40)[:, :, 0].astype(np.uint16) * 16)
    save(root / "b/4.png", np.dstack([cell(4, 24), np.full((24, 24), 200, np.uint8)]))
    (root / "b/5.png").write_bytes(b"no image")
    seen = look(root).pictures
    assert (seen.count, seen.suffixes, seen.looked_at) == (5, {".png": 4, ".tif": 1}, 5)
    assert (seen.width, seen.height) == ((20, 24, 40), (20, 24, 40))
    assert seen.modes == {"8-bit RGB": 1, "8-bit grey": 1, "16-bit grey": 1, "8-bit RGB with alpha": 1}
    assert seen.unreadable == (("b/5.png", "the file is not an image"),)


def test_other_files_are_counted(tmp_path: Path) -> None:
    root = tree(tmp_path / "cells", names(below(TWO)))
    for name in ("a.czi", "b.czi", "notes.docx", ".DS_Store"):
        (root / name).write_bytes(b"x")
    seen = look(root)
    assert ("not read: .czi", 2, "a.czi") in seen.odd and ("not read: .docx", 1, "notes.docx") in seen.odd
    assert seen.files == 12


def test_nothing_at_the_path_and_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no such file or folder"):
        look(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert look(tmp_path / "empty").fit.unclear == ("there is no image that is read here",)


def test_columns_that_may_be_attributes_are_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = names({"images": 24})
    root = tree(tmp_path / "cells", files)
    rows = [(Path(n).name, TWO[i % 2], PEOPLE[i // 4], "AB"[i // 4 % 2]) for i, n in enumerate(files)]
    table(root / "labels.csv", [("image", "label", "patient", "site"), *rows])
    seen = check(root, tmp_path, caplog, 6)
    assert "attributes" not in seen.fit.options
    assert seen.fit.why["attributes"].endswith("site (A, B); results by each: attributes: [site]")


def test_annotated_fields_are_named_with_a_preset_that_is_there(tmp_path: Path) -> None:
    field(tmp_path / "a.png")
    geojson(tmp_path)
    assert look(tmp_path).known == (("own-fields", "fields with annotations"),)


def test_every_layout_that_is_known_has_a_preset() -> None:
    assert {_PRESETS.get(name, name) for name in ADAPTERS} - {"folder"} <= set(list_presets(Path(__file__).parents[2]))
