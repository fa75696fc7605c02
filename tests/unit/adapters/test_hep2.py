from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from cytopipe.adapters.base import Sample
from cytopipe.adapters.hep2 import CLASSES
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import LayOut, SaveImage


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTERS["hep2"].read(raw, options, "k")


@pytest.fixture
def raw(tmp_path: Path, lay_out: LayOut) -> Path:
    return lay_out("hep2", tmp_path)


def rewrite(raw: Path, old: str, new: str) -> None:
    table = raw / "hep2/gt_training.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))


EXPECTED = [
    ("00001", "Homogeneous", "train"),
    ("00002", "Homogeneous", "test"),
    ("00003", "Speckled", "train"),
    ("00004", "Speckled", "val"),
    ("00005", "Nucleolar", "train"),
    ("00006", "Nucleolar", "test"),
    ("00007", "Centromere", "train"),
    ("00008", "Centromere", "val"),
    ("00009", "NuMem", "train"),
    ("00010", "NuMem", "test"),
    ("00011", "Golgi", "train"),
    ("00012", "Golgi", "val"),
]


def found(raw: Path) -> list[tuple[str, str, str | None]]:
    return [(sample.id, sample.label, sample.split) for sample in read(raw)]


def test_labels_come_from_the_csv_and_splits_from_the_folders(raw: Path) -> None:
    assert found(raw) == EXPECTED
    assert all(sample.image.name == f"{sample.id}.png" for sample in read(raw))


def test_ids_may_be_padded_or_not_on_either_side(raw: Path) -> None:
    table = raw / "hep2/gt_training.csv"
    rows = [row.lstrip("0") for row in table.read_text().splitlines()]
    table.write_bytes("\r\n".join(rows).encode())
    (raw / "hep2/training/00001.png").rename(raw / "hep2/training/1.png")
    assert found(raw) == EXPECTED


def test_folders_of_the_classes_do_without_a_csv(raw: Path, tmp_path: Path) -> None:
    words = {"train": "tra", "val": "val", "test": "TES"}
    for id_, label, split in EXPECTED:
        target = tmp_path / "public/dataset" / words[split] / (label.upper() if label == "Golgi" else label)
        target.mkdir(parents=True, exist_ok=True)
        next(raw.glob(f"hep2/*/{id_}.png")).rename(target / f"{id_}.png")
    (raw / "hep2/gt_training.csv").unlink()
    assert found(raw) == EXPECTED


def test_all_images_in_one_folder_have_no_published_split(raw: Path) -> None:
    (raw / "hep2/all").mkdir()
    for path in sorted(raw.glob("hep2/*/*.png")):
        path.rename(raw / "hep2/all" / path.name)
    assert found(raw) == [(id_, label, None) for id_, label, _ in EXPECTED]


def test_blocks_of_consecutive_ids_within_a_class_are_groups(tmp_path: Path, save_image: SaveImage) -> None:
    rows = ["Image ID,Image class"]
    for number in range(1, 11):
        save_image(tmp_path / f"all/{number}.png", number)
        rows.append(f"{number},{CLASSES[0] if number <= 7 else CLASSES[1]}")
    (tmp_path / "gt_training.csv").write_text("\n".join(rows))
    groups = [sample.group for sample in read(tmp_path, block=3)]
    first = ["Homogeneous_000"] * 3 + ["Homogeneous_001"] * 3 + ["Homogeneous_002"]
    assert groups == first + ["Speckled_000"] * 3
    assert {sample.group for sample in read(tmp_path)} == {"Homogeneous_000", "Speckled_000"}


def test_a_missing_image_leaves_the_other_groups_as_they_are_and_is_said(
    raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {sample.id: sample.group for sample in read(raw, block=1)}
    (raw / "hep2/training/00001.png").unlink()
    with caplog.at_level(logging.WARNING, "cytopipe"):
        after = {sample.id: sample.group for sample in read(raw, block=1)}
    assert after == {id_: group for id_, group in before.items() if id_ != "00001"}
    assert "gt_training.csv: 1 rows have no image, first 00001" in caplog.text


def test_a_csv_among_junk_is_not_read(raw: Path) -> None:
    (raw / "__MACOSX").mkdir()
    (raw / "__MACOSX/gt_training.csv").write_bytes(b"\0\5\x16\7")
    assert found(raw) == EXPECTED


def test_masks_beside_the_images_are_no_images(raw: Path, save_image: SaveImage) -> None:
    save_image(raw / "hep2/training/00001_Mask.png")
    assert found(raw) == EXPECTED


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("00003,Speckled", "x,Speckled", r"gt_training\.csv:4: the id 'x' is not a number"),
        ("00003,Speckled", "00002,Speckled", r"gt_training\.csv:4: the id '00002' stands twice"),
        ("00003,Speckled", "2,Speckled", r"gt_training\.csv:4: the id '2' stands twice"),
        ("00003,Speckled", "00003,Speckles", r"gt_training\.csv:4: the class 'Speckles' is none of Homogeneous, "),
        ("00003,Speckled\n", "", r"gt_training\.csv: no row for the image hep2/training/00003\.png\n  -> add"),
        ("Image class", "class", r"gt_training\.csv: no column 'Image class'; it has 'Image ID', 'class'"),
    ],
)
def test_faulty_rows_are_named(old: str, new: str, message: str, raw: Path) -> None:
    rewrite(raw, old, new)
    with pytest.raises(CytopipeError, match=message):
        read(raw)


def test_one_id_in_two_folders_is_an_error(raw: Path) -> None:
    (raw / "hep2/test/1.png").write_bytes((raw / "hep2/training/00001.png").read_bytes())
    with pytest.raises(CytopipeError, match=r"two images have the id 00001: hep2/.*/1\.png and hep2/.*/00001\.png"):
        read(raw)


def test_without_csv_and_class_folders_it_says_what_was_expected_and_found(raw: Path) -> None:
    (raw / "hep2/gt_training.csv").unlink()
    with pytest.raises(CytopipeError) as error:
        read(raw)
    assert error.value.what.startswith("no gt_training.csv, and no folders of the classes: expected HEp-2 cells")
    assert error.value.what.endswith("found hep2/test, hep2/training, hep2/validation")
