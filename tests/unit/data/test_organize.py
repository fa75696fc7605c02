from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.core.io import workers
from cytopipe.core.io.hashing import hash_tree, sha256_file
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from fixture_types import SaveImage

PATIENTS, CELLS = 12, 3


def dataset(split: str | dict[str, str] = "grouped", seed: int = 0, **changes: Any) -> Dataset:
    values = {
        "adapter": "folder",
        "source": {"kind": "archive", "path": "cells"},
        "options": {"group_pattern": r"(P\d+)_"},
        "exclude_classes": [],
        "bad_images": "error",
        "split": {"val": 0.25, "test": 0.25, "seed": seed, **({"kind": split} if isinstance(split, str) else split)},
        "segmenter": "otsu",
        "image_size": 32,
    }
    return Dataset.model_validate(values | changes)


class Result:
    """What `organize` wrote into `folder`, and what it returned."""

    def __init__(self, raw: Path, folder: Path, parameters: Dataset, workers: int = 1) -> None:
        self.folder = folder
        folders = {name: folder / name for name in (*SPLITS, "masks")}
        for path in folders.values():
            path.mkdir(parents=True)

        def passed(items: Iterable[Any], total: int) -> Iterable[Any]:
            return items

        self.rows, self.summary = organize("cells", parameters, raw, folders, passed, workers)

    def row(self, id_: str) -> Row:
        return next(row for row in self.rows if row.id == id_)


@pytest.fixture
def raw(tmp_path: Path, save_image: SaveImage) -> Path:
    """An ImageFolder: two classes, each patient with cells of both."""
    for patient in range(PATIENTS):
        for cell in range(CELLS):
            label = ("benign", "malignant")[cell % 2]
            save_image(tmp_path / "raw" / label / f"P{patient}_{cell}.png", patient * CELLS + cell)
    return tmp_path / "raw"


def test_an_image_folder_of_the_same_pixels_is_written(raw: Path, tmp_path: Path) -> None:
    result = Result(raw, tmp_path / "out", dataset())
    assert len(result.rows) == PATIENTS * CELLS
    for row in result.rows:
        stored = result.folder / row.path
        assert row.path == f"{row.split}/{row.label}/{row.id}.png"
        assert row.source == f"{row.id.replace('__', '/')}.png"
        assert np.array_equal(read_png(stored), np.asarray(Image.open(raw / row.source)))
        assert row.sha256 == sha256_file(stored)
        assert (row.width, row.height, row.mask_path, row.mask_sha256) == (10, 12, "", "")
        assert row.class_index == result.summary["classes"].index(row.label)
    files = [path for path in result.folder.rglob("*") if path.is_file()]
    assert len(files) == len(result.rows)
    assert sorted(path.name for path in result.folder.iterdir()) == ["masks", "test", "train", "val"]
    write_manifest(tmp_path / "manifest.csv", result.rows)  # ids are sorted and unique


def test_the_raw_files_stay_as_they_are(raw: Path, tmp_path: Path) -> None:
    before = hash_tree(raw)
    Result(raw, tmp_path / "out", dataset())
    assert hash_tree(raw) == before


def test_two_runs_write_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    first, second = (Result(raw, tmp_path / name, dataset()) for name in "ab")
    assert (first.rows, first.summary) == (second.rows, second.summary)
    assert hash_tree(first.folder) == hash_tree(second.folder)


def test_no_patient_is_on_two_sides(raw: Path, tmp_path: Path) -> None:
    result = Result(raw, tmp_path / "out", dataset())
    assert len({(row.group, row.split) for row in result.rows}) == PATIENTS
    assert result.summary["groups"] == {"train": 6, "val": 3, "test": 3}


def test_random_ignores_groups(raw: Path, tmp_path: Path) -> None:
    result = Result(raw, tmp_path / "out", dataset("random"))
    assert len({(row.group, row.split) for row in result.rows}) > PATIENTS
    assert Counter(row.split for row in result.rows) == {"train": 18, "val": 9, "test": 9}


def test_published_splits_are_taken(tmp_path: Path, save_image: SaveImage) -> None:
    names = [f"{side}/{label}/{index}.png" for side in SPLITS for label in "ab" for index in range(2)]
    for seed, name in enumerate(names):
        save_image(tmp_path / "raw" / name, seed)
    result = Result(tmp_path / "raw", tmp_path / "out", dataset("published", options={}))
    assert all(row.id.startswith(f"{row.split}__{row.label}__") for row in result.rows)


def test_the_summary_counts_what_was_written(raw: Path, tmp_path: Path, save_image: SaveImage) -> None:
    save_image(raw / "benign" / "P0_9.png", 99, size=(40, 20))
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(12, 10)).save(raw / "benign" / "P1_9.png")
    result = Result(raw, tmp_path / "out", dataset())
    counts = Counter((row.split, row.label) for row in result.rows)
    summary = result.summary
    assert summary["images"] == PATIENTS * CELLS + 2
    assert summary["classes"] == ["benign", "malignant"]
    assert summary["counts"] == {s: {c: counts[s, c] for c in summary["classes"]} for s in SPLITS}
    assert summary["size_px"]["width"] == {"min": 10, "median": 10, "max": 20}
    assert summary["size_px"]["height"] == {"min": 12, "median": 12, "max": 40}
    assert summary["converted"] == {"grey to RGB": 1}
    assert (summary["masks"], summary["refused"], summary["copies"]) == (0, [], [])


def test_classes_are_in_the_order_that_you_give(raw: Path, tmp_path: Path) -> None:
    options = {"group_pattern": r"(P\d+)_", "classes": ["malignant", "unseen", "benign"]}
    result = Result(raw, tmp_path / "out", dataset(options=options))
    assert result.summary["classes"] == ["malignant", "benign"]
    assert {(row.label, row.class_index) for row in result.rows} == {("malignant", 0), ("benign", 1)}


def test_excluded_classes_are_left_out_and_said(raw: Path, tmp_path: Path, save_image: SaveImage) -> None:
    save_image(raw / "artefact" / "P0_7.png", 77)
    result = Result(raw, tmp_path / "out", dataset(exclude_classes=["artefact"]))
    assert result.summary["classes"] == ["benign", "malignant"]
    assert result.summary["excluded_classes"] == ["artefact"]
    assert not list(result.folder.rglob("artefact*"))


def test_excluding_a_class_that_is_not_there_is_an_error(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"datasets\.cells\.exclude_classes: no image has the class 'begnin'"):
        Result(raw, tmp_path / "out", dataset(exclude_classes=["begnin"]))


def test_one_class_only_is_said(tmp_path: Path, save_image: SaveImage, caplog: pytest.LogCaptureFixture) -> None:
    for index in range(9):
        save_image(tmp_path / "raw" / "DB_4" / f"{index}.png", index)
    Result(tmp_path / "raw", tmp_path / "out", dataset(options={}))
    assert "every image is of the one class 'DB_4'; is the folder or the column right?" in caplog.text


# Identical images.


@pytest.mark.parametrize("split", ["grouped", "random"])
@pytest.mark.parametrize("seed", range(4))
def test_copies_lie_on_one_side_and_are_reported(
    split: str, seed: int, raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain = ["P0_0", "P5_0", "P7_0"]  # a copy in three patients
    pixels = np.asarray(Image.open(raw / "benign" / "P0_0.png"))
    Image.fromarray(pixels).save(raw / "benign" / "P5_0.png")
    Image.fromarray(pixels).save(raw / "benign" / "P7_0.bmp")  # another file, the same pixels
    (raw / "benign" / "P7_0.png").unlink()
    result = Result(raw, tmp_path / "out", dataset(split, seed))
    assert len({result.row(f"benign__{name}").split for name in chain}) == 1
    assert result.summary["copies"] == [{"ids": [f"benign__{name}" for name in chain], "labels": ["benign"]}]
    assert "1 sets of identical images, each kept in one split and listed in summary.json" in caplog.text
    if split == "grouped":
        assert len({row.split for row in result.rows if row.group in ("P0", "P5", "P7")}) == 1


def test_patients_are_joined_through_chains_of_copies(raw: Path, tmp_path: Path) -> None:
    # P4 -> P3, then P3 -> P2, then P2 -> P1, by cells of the second class, which come later.
    for first, second in (("benign/P3_0", "benign/P4_0"), ("malignant/P2_1", "malignant/P3_1")):
        (raw / f"{second}.png").write_bytes((raw / f"{first}.png").read_bytes())
    (raw / "malignant/P2_9.png").write_bytes((raw / "malignant/P1_1.png").read_bytes())
    result = Result(raw, tmp_path / "out", dataset())
    joined = {"P1", "P2", "P3", "P4"}
    assert len({row.split for row in result.rows if row.group in joined}) == 1
    assert len(result.summary["copies"]) == 3


def test_copies_of_different_labels_are_reported(raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (raw / "malignant" / "P8_1.png").write_bytes((raw / "benign" / "P0_0.png").read_bytes())
    result = Result(raw, tmp_path / "out", dataset())
    assert result.summary["copies"][0]["labels"] == ["benign", "malignant"]
    assert "labels differ in 1" in caplog.text


def test_a_copy_in_two_published_splits_is_an_error(tmp_path: Path, save_image: SaveImage) -> None:
    for seed, side in enumerate(SPLITS):
        for index in range(2):
            save_image(tmp_path / "raw" / side / "a" / f"{side}{index}.png", seed * 2 + index)
    save_image(tmp_path / "raw" / "test" / "a" / "copy.png", 0)
    with pytest.raises(CytopipeError, match="sets of identical images lie in several splits, first 'test/a/copy'"):
        Result(tmp_path / "raw", tmp_path / "out", dataset("published", options={}))


def test_torn_groups_and_copies_of_a_published_split_are_counted(
    tmp_path: Path, save_image: SaveImage, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, name in enumerate(f"{side}/a/P{patient}_{side}.png" for side in SPLITS for patient in range(4)):
        save_image(tmp_path / "raw" / name, seed)
    save_image(tmp_path / "raw/test/a/P8_x.png", 0)  # of P0 in train: a third group that is torn, if not by its name
    save_image(tmp_path / "raw/train/a/P7_x.png", 77)
    save_image(tmp_path / "raw/train/a/P7_y.png", 77)
    split = {"kind": "published", "torn_groups": "report"}
    result = Result(tmp_path / "raw", tmp_path / "out", dataset(split=split))
    assert result.summary["torn"] == {"groups": 4, "copies": 1}
    assert len(result.summary["copies"]) == 2
    assert {row.split for row in result.rows if row.group == "P0"} == set(SPLITS)
    assert "THE PUBLISHED SPLIT IS NOT INDEPENDENT" in caplog.text
    assert "2 sets of identical images, listed in summary.json" in caplog.text


def test_nothing_is_torn_by_a_grouped_split(raw: Path, tmp_path: Path) -> None:
    assert Result(raw, tmp_path / "out", dataset()).summary["torn"] == {"groups": 0, "copies": 0}
    assert Result(raw, tmp_path / "random", dataset("random")).summary["torn"]["groups"] > 0


# Masks.


def add_masks(raw: Path) -> None:
    for index, path in enumerate(sorted(raw.glob("*/*.png"))):
        mask = np.zeros((12, 10), np.uint8)
        mask[2:10, 2:8], mask[4, 4 : 5 + index % 3] = 128, 255
        target = raw / "masks" / path.relative_to(raw)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)


MASKED = {"group_pattern": r"(P\d+)_", "masks": "masks", "mask_values": {0: 0, 128: 1, 255: 2}}


def test_masks_become_palette_masks(raw: Path, tmp_path: Path) -> None:
    add_masks(raw)
    result = Result(raw, tmp_path / "out", dataset(options=MASKED))
    assert result.summary["masks"] == len(result.rows)
    for row in result.rows:
        assert row.mask_path == f"masks/{row.id}.png"
        assert row.mask_sha256 == sha256_file(result.folder / row.mask_path)
        mask = read_mask(result.folder / row.mask_path)
        original = np.asarray(Image.open(raw / "masks" / f"{row.id.replace('__', '/')}.png"))
        assert np.array_equal(mask, np.select([original == 128, original == 255], [1, 2]))


def test_a_mask_of_another_size_is_an_error(raw: Path, tmp_path: Path) -> None:
    add_masks(raw)
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(raw / "masks" / "benign" / "P3_0.png")
    with pytest.raises(
        CytopipeError, match=r"benign/P3_0\.png: the mask is 12 x 10 px, its image 10 x 12\n  -> replace"
    ):
        Result(raw, tmp_path / "out", dataset(options=MASKED))


def test_masks_for_some_images_only_are_counted(raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add_masks(raw)
    rows = [f"{path.relative_to(raw)},{path.parent.name}" for path in sorted(raw.glob("[bm][ea][nl]*/*.png"))]
    lines = [f"{row},masks/{row.split(',')[0]}" for row in rows[:-1]] + [f"{rows[-1]},"]
    (raw / "labels.csv").write_text("\n".join(["image,label,mask", *lines]))
    (raw / "masks" / "malignant" / "P9_1.png").unlink()
    options = {"csv": "labels.csv", "mask": "mask", "mask_values": MASKED["mask_values"]}
    with caplog.at_level(logging.INFO, "cytopipe"):
        result = Result(raw, tmp_path / "out", dataset(options=options))
    assert "35 of 36 images have a true mask; segmenters train on these" in caplog.text
    assert result.summary["masks"] == 35
    assert [row.id for row in result.rows if not row.mask_path] == ["malignant__P9_1"]
    assert not (tmp_path / "out/masks/malignant__P9_1.png").exists()


# Images that cannot be used.


def damage(raw: Path) -> None:
    whole = (raw / "benign" / "P3_0.png").read_bytes()
    (raw / "benign" / "P3_0.png").write_bytes(whole[: len(whole) // 2])
    (raw / "malignant" / "P4_1.png").write_bytes(b"")


def test_a_bad_image_stops_the_stage(raw: Path, tmp_path: Path) -> None:
    damage(raw)
    with pytest.raises(CytopipeError, match=r"benign/P3_0\.png: the image cannot be decoded"):
        Result(raw, tmp_path / "out", dataset())


def test_bad_images_can_be_skipped_and_are_listed_and_logged(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(raw)
    with caplog.at_level(logging.INFO, "cytopipe"):
        result = Result(raw, tmp_path / "out", dataset(bad_images="skip"))
    assert [refused["id"] for refused in result.summary["refused"]] == ["benign__P3_0", "malignant__P4_1"]
    assert result.summary["refused"][1]["reason"] == "the image is empty (0 bytes)"
    assert result.summary["images"] == len(result.rows) == PATIENTS * CELLS - 2
    assert len(list(result.folder.rglob("*.png"))) == len(result.rows)
    assert caplog.text.count("left out: ") == 2


def test_an_image_with_a_bad_mask_leaves_nothing_behind_when_skipped(raw: Path, tmp_path: Path) -> None:
    add_masks(raw)
    (raw / "masks" / "benign" / "P3_0.png").write_bytes(b"")
    result = Result(raw, tmp_path / "out", dataset(options=MASKED, bad_images="skip"))
    assert [refused["id"] for refused in result.summary["refused"]] == ["benign__P3_0"]
    assert not list(result.folder.rglob("benign__P3_0.png"))


def test_no_usable_image_at_all_is_an_error(raw: Path, tmp_path: Path) -> None:
    for path in raw.rglob("*.png"):
        path.write_bytes(b"<html>404</html>")
    with pytest.raises(CytopipeError, match=r"datasets\.cells: none of 36 images can be used"):
        Result(raw, tmp_path / "out", dataset(bad_images="skip"))


def test_conversions_are_counted_and_logged(raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("P0_0", "P1_0"):
        Image.fromarray(np.random.default_rng(int(name[1])).integers(0, 65_536, (12, 10), np.uint16)).save(
            raw / "benign" / f"{name}.png"
        )
    rgba = Image.open(raw / "benign" / "P2_0.png").convert("RGBA")
    rgba.save(raw / "benign" / "P2_0.png")
    with caplog.at_level(logging.INFO, "cytopipe"):
        result = Result(raw, tmp_path / "out", dataset())
    assert result.summary["converted"] == {"16-bit to 8-bit": 2, "alpha blended on white": 1}
    assert "2 images converted: 16-bit to 8-bit" in caplog.text


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden", "a\\b"])
def test_a_label_that_cannot_name_a_folder_is_an_error(label: str, raw: Path, tmp_path: Path) -> None:
    rows = [f"{path.relative_to(raw)},{label}" for path in sorted(raw.glob("*/*.png"))]
    (raw / "labels.csv").write_text("\n".join(["image,label", *rows]))
    with pytest.raises(CytopipeError, match="cannot name a folder\n  -> rename it"):
        Result(raw, tmp_path / "out", dataset(options={"csv": "labels.csv"}))


def test_the_number_of_processes_changes_no_byte(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    (raw / "benign" / "P3_1.png").write_bytes(b"not an image")
    Image.open(raw / "benign" / "P3_0.png").convert("L").save(raw / "benign" / "P4_0.png")
    one, three = (Result(raw, tmp_path / str(count), dataset(bad_images="skip"), count) for count in (1, 3))
    assert one.rows == three.rows and one.summary == three.summary
    assert one.summary["converted"] == {"grey to RGB": 1} and len(one.summary["refused"]) == 1
    assert hash_tree(one.folder) == hash_tree(three.folder)


def test_a_bad_image_is_the_same_error_from_any_process(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    for name in ("P3_0", "P7_0"):
        (raw / "benign" / f"{name}.png").write_bytes(b"not an image")
    messages = []
    for count in (1, 3):
        with pytest.raises(CytopipeError) as caught:
            Result(raw, tmp_path / str(count), dataset(), count)
        messages.append((caught.value.what, caught.value.where, caught.value.hint))
    assert messages[0] == messages[1]
    assert messages[0][1] == raw / "benign" / "P3_0.png"
