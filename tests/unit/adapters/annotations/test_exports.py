"""Files as the programs themselves export them: names that they change, marks and shapes of their own."""

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
from cytopipe.data import crops
from cytopipe.data.imaging import fields
from cytopipe.data.imaging.decode import AS_FULL
from cytopipe.errors import CytopipeError
from made_annotations import CELLS, HEIGHT, SIZE, WIDTH, coco_file, field, geojson, label_studio, polygon
from made_slides import write_aperio
from samples import true_mask

BOM = b"\xef\xbb\xbf"
RECTANGLE = {
    "original_width": WIDTH,
    "original_height": HEIGHT,
    "value": {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0},
}


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTER.read(raw, {"parts": {"nucleus": "nucleus"}, "margin": 0} | options, "k")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    field(tmp_path / "images/a.png")
    (tmp_path / "labels").mkdir()
    return tmp_path


def coco(file: Path, image: str, **annotation: Any) -> None:
    """A file of one annotation."""
    value = {
        "images": [{"id": 1, "file_name": image, "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "high"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 20, 20, 10], **annotation}],
    }
    file.write_text(json.dumps(value))


def tasks(raw: Path, image: str, *results: dict[str, Any]) -> None:
    """An export of Label Studio with one task."""
    (raw / "x.json").write_text(json.dumps([{"data": {"image": image}, "annotations": [{"result": results}]}]))


@pytest.mark.parametrize("begins", [BOM, b"\r\n", BOM + b"  \r\n"], ids=["mark", "blank line", "both"])
def test_yolo_of_windows_is_read(begins: bytes, raw: Path) -> None:
    (raw / "labels/a.txt").write_bytes(begins + b"0 0.5 0.5 0.25 0.5\r\n1 0.25 0.25 0.1 0.1\r\n")
    (raw / "classes.txt").write_bytes(BOM + b"high\r\nlow\r\n")
    assert [(one.label, one.crop) for one in read(raw)] == [("high", (29, 14, 50, 45)), ("low", (15, 11, 24, 18))]


def test_texts_beside_yolos_are_left_alone_and_blank_ones_have_no_cell(
    raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    field(raw / "images/b.png", seed=1)
    (raw / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (raw / "labels/b.txt").write_bytes(b"\r\n")
    (raw / "train.txt").write_text("data/images/a.png\ndata/images/b.png\n")
    (raw / "README.dataset.txt").write_text("Cells of a smear\n")
    assert [one.image.name for one in read(raw, format="yolo")] == [one.image.name for one in read(raw)] == ["a.png"]
    assert "have no annotations" not in caplog.text


def test_classes_that_are_not_in_utf_8_are_refused(raw: Path) -> None:
    (raw / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (raw / "classes.txt").write_bytes("Zervix, gutartig ä\n".encode("latin-1"))
    with pytest.raises(CytopipeError, match=r"classes.txt: the names of the classes are not in UTF-8"):
        read(raw)


@pytest.mark.parametrize("kind", ["voc", "coco"])
def test_images_of_one_name_are_those_beside_their_file(kind: str, tmp_path: Path) -> None:
    for place, folder in enumerate(("train", "test")):
        field(tmp_path / folder / "images/1.png", seed=place)
        left = 10 * (place + 1)
        if kind == "coco":
            coco(tmp_path / folder / "_annotations.coco.json", "1.png", bbox=[left, 10, 10, 10])
        else:
            (tmp_path / folder / "Annotations").mkdir()
            (tmp_path / folder / "Annotations/1.xml").write_text(
                f"<annotation><filename>1.png</filename><object><name>high</name><bndbox><xmin>{left + 1}</xmin>"
                f"<ymin>11</ymin><xmax>{left + 10}</xmax><ymax>20</ymax></bndbox></object></annotation>"
            )
    assert [(one.field, one.crop) for one in read(tmp_path)] == [
        ("test_images_1", (19, 9, 30, 20)),
        ("train_images_1", (9, 9, 20, 20)),
    ]


def test_an_image_in_another_folder_is_not_the_one_that_is_meant(tmp_path: Path) -> None:
    field(tmp_path / "p1/a.png")
    coco(tmp_path / "c.json", "p9/0a1b2c3d-a.png")
    with pytest.raises(CytopipeError, match=r"1 annotated images are not there, first 'p9/0a1b2c3d-a.png'"):
        read(tmp_path)
    (tmp_path / "c.json").unlink()
    tasks(tmp_path, "/data/local-files/?d=p9%2Fa.png", {**RECTANGLE, "type": "rectanglelabels"})
    with pytest.raises(CytopipeError, match=r"1 annotated images are not there, first 'p9/a.png'"):
        read(tmp_path)


def test_names_that_label_studio_and_qupath_change_are_found_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    field(tmp_path / "ä b.png")
    for written in ("images/0a1b2c3d-ä%20b.png", "images\\0a1b2c3d-ä b.png"):
        coco(tmp_path / "result.json", written)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert [one.image.name for one in read(tmp_path)] == ["ä b.png"]
        assert "1 names are matched without what Label Studio or QuPath changes in them" in caplog.text
    (tmp_path / "result.json").unlink()
    (tmp_path / "ä b.png").rename(tmp_path / "slide.ome.png")
    geojson(tmp_path, name="slide.geojson")
    assert [one.field for one in read(tmp_path)] == ["slide.ome"] * 2


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/7/0a1b2c3d-a.png",
        "/storage-data/uploaded/?filepath=upload/7/0a1b2c3d-a.png",
        "/data/local-files/?d=images%2Fa.png",
        "s3://bucket/images/a.png",
        "https://host/images/a.png?signature=x",
        "C:\\fields\\images\\a.png",
    ],
)
def test_addresses_of_label_studio_are_read(address: str, raw: Path) -> None:
    shape = {**RECTANGLE, "type": "rectanglelabels"}
    tasks(raw, address, {**shape, "value": {**RECTANGLE["value"], "rectanglelabels": ["high"]}})  # type: ignore[dict-item]
    assert [(one.image.name, one.crop) for one in read(raw)] == [("a.png", (19, 14, 60, 45))]


def test_label_studios_labels_beside_a_rectangle_name_its_class(raw: Path) -> None:
    named = {**RECTANGLE, "type": "labels", "value": {**RECTANGLE["value"], "labels": ["low"]}}  # type: ignore[dict-item]
    tasks(raw, "/data/upload/7/0a1b2c3d-a.png", {**RECTANGLE, "id": "q", "type": "rectangle"}, {**named, "id": "q"})
    assert [(one.label, one.crop) for one in read(raw)] == [("low", (19, 14, 60, 45))]


def test_json_min_may_begin_with_a_task_without_shapes_and_hold_lists_of_texts(raw: Path) -> None:
    shape = {"x": 25, "y": 25, "width": 50, "height": 50, "rectanglelabels": ["high"]}
    sizes = {"original_width": WIDTH, "original_height": HEIGHT}
    bare = {"id": 1, "image": "/data/upload/7/0a1b2c3d-b.png", "stains": ["Papanicolaou"]}
    done = {"id": 2, "image": "/data/upload/7/0a1b2c3d-a.png", "stains": ["x", "y"], "label": [shape | sizes]}
    (raw / "x.json").write_text(json.dumps([bare, done]))
    assert [one.label for one in read(raw)] == ["high"]


def test_a_bitmask_of_label_studio_is_refused_and_not_passed_over(raw: Path) -> None:
    label_studio(raw)
    value = json.loads((raw / "export.json").read_text())
    value[0]["annotations"][0]["result"].append({**RECTANGLE, "type": "bitmasklabels"})
    (raw / "export.json").write_text(json.dumps(value))
    with pytest.raises(CytopipeError, match=r"task 1, result 5: a bitmask is not read"):
        read(raw)


def test_masks_that_cvat_exports_as_coco_are_cells_and_groups_are_none(raw: Path) -> None:
    coco_file(raw, "rle")
    expected = read(raw)
    value = json.loads((raw / "instances.json").read_text())
    for one in value["annotations"]:
        one |= {"iscrowd": 1, "attributes": {"occluded": False}}  # it writes so whatever the mask is of
    value["annotations"].append({**value["annotations"][0], "attributes": {}})
    (raw / "instances.json").write_text(json.dumps(value))
    samples = read(raw)
    assert [(one.id, one.crop) for one in samples] == [(one.id, one.crop) for one in expected]
    for one, other in zip(samples, expected, strict=True):
        assert np.array_equal(true_mask(one, SIZE), true_mask(other, SIZE))


def test_a_box_that_cvat_exports_as_coco_is_turned(raw: Path) -> None:
    coco(raw / "c.json", "a.png", segmentation=[], attributes={"occluded": False, "rotation": 90.0})
    [one] = read(raw)
    assert one.mask is not None and one.crop == (34, 14, 46, 36)  # 20 x 10 px around (40, 25), upright


def test_a_cytoplasm_that_leaves_its_nucleus_out_owns_it(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    geojson(raw, CELLS[:1])
    [whole] = read(raw)
    _, cell, nucleus = CELLS[0]
    ring = {"type": "Polygon", "coordinates": [*polygon(cell)["coordinates"], *polygon(nucleus)["coordinates"]]}
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}
        for name, geometry in (("high", ring), ("nucleus", polygon(nucleus)))
    ]
    (raw / "a.geojson").write_text(json.dumps(features))
    [one] = read(raw, parts={"high": "cytoplasm", "nucleus": "nucleus"})
    assert one.crop is not None and whole.crop == one.crop and "in no outlined cell" not in caplog.text
    size = one.crop[3] - one.crop[1], one.crop[2] - one.crop[0]
    assert np.array_equal(true_mask(one, size), true_mask(whole, size))


@pytest.mark.parametrize("whole", [10**8, 1000])
def test_a_slide_of_aperio_is_a_field_at_full_resolution(
    raw: Path, whole: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (crops, fields):
        monkeypatch.setattr(module, "WHOLE", whole)  # pixels up to which an image is decoded as a whole
    crops._is_large.cache_clear()
    geojson(raw, name="labels/a.geojson")
    expected = read(raw)
    slide = raw / "images/a.svs"
    image = np.asarray(Image.open(raw / "images/a.png"))
    write_aperio(slide, image, mpp=0.5)
    (raw / "images/a.png").unlink()
    samples = read(raw)
    assert [(one.id, one.image, one.crop) for one in samples] == [(one.id, slide, one.crop) for one in expected]
    for one, other in zip(samples, expected, strict=True):
        assert one.crop is not None and np.array_equal(true_mask(one, SIZE), true_mask(other, SIZE))
        left, top, right, bottom = one.crop
        crop = crops.read_crop(one.image, one.crop, AS_FULL)
        assert np.array_equal(crop.rgb, image[top:bottom, left:right]) and crop.pixel_size_um == 0.5
    crops._is_large.cache_clear()


def test_a_slide_that_is_not_read_is_named(raw: Path) -> None:
    geojson(raw, name="labels/a.geojson")
    (raw / "images/a.png").rename(raw / "images/a.ndpi")
    with pytest.raises(CytopipeError, match=r"first 'labels/a'[\s\S]*a\.ndpi is of a format that is not read"):
        read(raw)
