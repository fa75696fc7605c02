"""Fields with annotations of other programs: every format gives the same cells and the masks of SIPaKMeD's rule."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.annotated import ADAPTER
from cytopipe.adapters.base import Sample
from cytopipe.core.params import Dataset
from cytopipe.data.imaging.masks import cell_mask
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from made_annotations import BOXES, CELLS, HEIGHT, OUTLINED, SIZE, WIDTH, Write, field, geojson, yolo
from samples import true_mask

PARTS = {"parts": {"nucleus": "nucleus"}}


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTER.read(raw, PARTS | options, "datasets.x.options")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    field(tmp_path / "images/a.png")
    return tmp_path


@pytest.mark.parametrize("write", OUTLINED.values(), ids=OUTLINED)
def test_every_format_gives_the_masks_of_sipakmeds_rule(write: Write, raw: Path) -> None:
    write(raw)
    samples = read(raw)
    assert [(one.label, one.group, one.image.name) for one in samples] == [
        ("high", "images_a", "a.png"),
        ("low", "images_a", "a.png"),
    ]
    for sample, (_, cell, nucleus) in zip(samples, CELLS, strict=True):
        assert sample.crop is not None
        left, top, right, bottom = sample.crop
        whole = cell_mask(SIZE, [(cell, nucleus)])
        assert np.count_nonzero(whole == 2) > 20
        assert np.array_equal(true_mask(sample, (bottom - top, right - left)), whole[top:bottom, left:right])
        assert not whole[:top].any() and not whole[bottom:].any()  # no pixel of it lies outside the crop
        assert not whole[:, :left].any() and not whole[:, right:].any()


@pytest.mark.parametrize("write", BOXES.values(), ids=BOXES)
def test_boxes_give_crops_without_masks(write: Write, raw: Path) -> None:
    write(raw)
    samples = read(raw, margin=0)
    assert [one.label for one in samples] == ["high", "low"] and all(one.mask is None for one in samples)
    for sample, (_, cell, _) in zip(samples, CELLS, strict=True):
        low, high = np.floor(cell.min(axis=0)) - 1, np.ceil(cell.max(axis=0))  # with_margin: a pixel at the upper left
        assert sample.crop == (*low.astype(int).tolist(), *high.astype(int).tolist())


@pytest.mark.parametrize("write", OUTLINED.values(), ids=OUTLINED)
def test_fields_with_their_cells_can_be_screened(write: Write, raw: Path) -> None:
    write(raw)
    [found] = ADAPTER.read_fields(raw, PARTS, "k")
    assert (found.id, found.group, [cell.label for cell in found.cells]) == ("images_a", "images_a", ["high", "low"])
    for cell, (_, outline, nucleus) in zip(found.cells, CELLS, strict=True):
        assert cell.nucleus is not None
        assert np.array_equal(cell_mask(SIZE, [(cell.cytoplasm, cell.nucleus)]), cell_mask(SIZE, [(outline, nucleus)]))


def test_classes_are_mapped_and_dropped(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    geojson(raw)
    with caplog.at_level(logging.WARNING):
        [one] = read(raw, classes={"high": "abnormal", "low": None})
    assert one.label == "abnormal" and one.id == "images_a_00001"
    assert "1 of classes that options.classes maps to null, left out" in caplog.text
    with pytest.raises(CytopipeError, match=r"feature 2: the class 'low' is not in options.classes"):
        read(raw, classes={"high": "abnormal"})
    with pytest.raises(CytopipeError, match=r"'hihg' is not in options.classes; did you mean 'high'"):
        geojson(raw, [("hihg", *CELLS[0][1:])])
        read(raw, classes={"high": "abnormal"})
    geojson(raw, [("", *CELLS[0][1:])])
    with pytest.raises(CytopipeError, match="this annotation has no class"):
        read(raw)
    assert [one.label for one in read(raw, classes={"unclassified": "cell"})] == ["cell"]


def test_groups_come_from_the_folder_or_a_column_and_never_tear_a_field(tmp_path: Path) -> None:
    for name in ("p1/a", "p1/b", "p2/a"):
        field(tmp_path / f"{name}.png")
        geojson(tmp_path, name=f"{name}.geojson")
    assert [one.group for one in read(tmp_path)] == ["p1_a"] * 2 + ["p1_b"] * 2 + ["p2_a"] * 2
    assert [one.group for one in read(tmp_path, group="folder")] == ["p1"] * 4 + ["p2"] * 2
    table = tmp_path / "fields.csv"
    table.write_text("image,patient\np1/a.png,x\np1/b.png,y\np2/a.png,x\n")
    assert [one.group for one in read(tmp_path, group="patient", csv="fields.csv")] == ["x", "x", "y", "y", "x", "x"]
    assert {one.smallest_unit for one in read(tmp_path, group="folder")} == {"p1_a", "p1_b", "p2_a"}
    table.write_text("image,patient\np1/a.png,x\np2/a.png,x\n")
    with pytest.raises(CytopipeError, match=r"1 fields have no row, first p1/b.png"):
        read(tmp_path, group="patient", csv="fields.csv")
    with pytest.raises(CytopipeError, match=r"options.group names 'patient', but there is no table"):
        read(tmp_path, group="patient")


def test_folders_named_as_splits_are_the_published_split(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        field(tmp_path / split / "images/a.png")
        (tmp_path / split / "labels").mkdir()
        (tmp_path / split / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names: [cell]\n")
    assert {one.split: one.group for one in read(tmp_path)} == {
        "train": "train_images_a", "val": "valid_images_a", "test": "test_images_a"}  # fmt: skip


def test_files_of_one_format_alone_can_be_asked_for(raw: Path) -> None:
    geojson(raw)
    yolo(raw)
    with pytest.raises(CytopipeError, match=r"the annotations of a.png are in a.geojson already[\s\S]*options.format"):
        read(raw)
    assert len(read(raw, format="yolo")) == len(read(raw, format="geojson")) == 2
    with pytest.raises(CytopipeError, match="no file holds annotations of the format coco"):
        read(raw, format="coco")


def test_a_nucleus_belongs_to_the_cell_that_it_lies_in(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    low, high = CELLS[1][1], CELLS[0][1]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [outline.tolist()]},
         "properties": {"classification": {"name": name}}}
        for name, outline in [("nucleus", CELLS[1][2]), ("nucleus", CELLS[0][2]), ("nucleus", CELLS[0][2] + (0, 8)),
                              ("nucleus", CELLS[0][2] + (35, -9)), ("low", low), ("high", high)]
    ]  # fmt: skip
    (raw / "a.json").write_text(json.dumps(features))
    with caplog.at_level(logging.WARNING):
        samples = read(raw)
    assert [one.id for one in samples] == ["images_a_00005", "images_a_00006"]
    masks = [one.mask(SIZE) for one in samples if one.mask]
    nuclei = [int(np.count_nonzero(mask == 2)) for mask in masks]
    one = int(np.count_nonzero(cell_mask(SIZE, [CELLS[0][1:]]) == 2))  # two nuclei that overlap, joined
    assert one < nuclei[1] < 2 * one and nuclei[0] > 20
    assert "1 nuclei in no outlined cell, left out" in caplog.text


def test_organize_writes_the_crops_and_counts_every_file(tmp_path: Path) -> None:
    raw, target = tmp_path / "raw", tmp_path / "organized"
    for number in range(8):
        field(raw / f"slides/{number}.png", seed=number)
        geojson(raw / "slides", name=f"{number}.geojson")
    folders = {name: target / name for name in ("train", "val", "test", "masks")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    settings = {
        "adapter": "annotated", "source": {"kind": "archive", "path": "x"}, "options": {"group": "folder"},
        "exclude_classes": [], "bad_images": "error", "segmenter": "otsu", "image_size": 32, "fit": "stretch",
        "split": {"kind": "random", "val": 0.25, "test": 0.25, "seed": 0},
    }  # fmt: skip
    rows, summary = organize("x", Dataset.model_validate(settings), raw, folders, lambda items, _: items)
    assert len(rows) == 16 and summary["files"]["images"] == 8 and summary["files"]["tables"] == 8
    assert not summary["files"]["left_out"] and summary["masks"] == 16
    split_of: dict[str, set[str]] = {}
    for row in rows:
        split_of.setdefault(row.source, set()).add(row.split)
        image = np.asarray(Image.open(target / row.path))
        [sample] = [one for one in ADAPTER.read(raw, {}, "k") if one.id == row.id]
        assert sample.crop is not None
        left, top, right, bottom = sample.crop
        assert np.array_equal(image, np.asarray(Image.open(sample.image))[top:bottom, left:right])
    assert all(len(splits) == 1 for splits in split_of.values())  # although it is random


def test_cells_of_a_large_field_are_read_by_regions(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cytopipe.data import crops

    reading = ADAPTER.parse({}, "k").reading
    whole = np.asarray(Image.open(raw / "images/a.png"))
    small = crops.read_crop(raw / "images/a.png", (3, 4, 30, 29), reading)
    monkeypatch.setattr(crops, "WHOLE", 100)
    monkeypatch.setattr("cytopipe.data.imaging.fields.WHOLE", 100)
    crops._is_large.cache_clear()
    large = crops.read_crop(raw / "images/a.png", (3, 4, 30, 29), reading)
    crops._is_large.cache_clear()
    assert np.array_equal(small.rgb, whole[4:29, 3:30]) and np.array_equal(large.rgb, small.rgb)


def test_percentages_are_of_the_image_as_it_is_shown(tmp_path: Path) -> None:
    """A photograph on its side: annotations are drawn on the upright image."""
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8)).save(tmp_path / "a.jpg", exif=turned)
    yolo(tmp_path, boxes=True)
    assert [one.crop[2] > HEIGHT for one in read(tmp_path) if one.crop] == [False, True]
