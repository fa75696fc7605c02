"""Damaged, hostile and mistaken annotations: one clear error, or a count."""

from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.annotated import ADAPTER
from cytopipe.adapters.annotations import files, shapes
from cytopipe.adapters.base import Sample
from cytopipe.errors import CytopipeError
from made_annotations import (
    BOXES,
    CELLS,
    HEIGHT,
    OUTLINED,
    SIZE,
    WIDTH,
    asap,
    coco_file,
    cvat,
    field,
    geojson,
    label_studio,
    voc,
    yolo,
)

HIGH = CELLS[0][1]


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTER.read(raw, {"parts": {"nucleus": "nucleus"}} | options, "k")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    field(tmp_path / "images/a.png")
    return tmp_path


def outline(points: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [points]},
        "properties": {"classification": {"name": "high"}, **properties},
    }


def features(raw: Path, *found: dict[str, Any]) -> None:
    (raw / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": found}))


def test_annotations_outside_the_image_are_counted(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut = HIGH - (20, 0)
    features(raw, outline(HIGH.tolist()), outline((HIGH + np.array([500, 0])).tolist()), outline(cut.tolist()))
    with caplog.at_level(logging.WARNING):
        samples = read(raw)
    assert [one.id for one in samples] == ["images_a_00001", "images_a_00003"]
    assert "1 cut by the edge of their images, 1 outside their images, left out" in caplog.text
    assert samples[1].crop is not None and samples[1].crop[0] == 0
    features(raw, outline((HIGH + np.array([500, 0])).tolist()))
    with pytest.raises(CytopipeError, match="no image of this dataset"):
        read(raw)


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_boxes_outside_the_image_are_counted(kind: str, raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    BOXES[kind](raw)
    path = next(path for path in raw.rglob("*") if path.suffix in (".json", ".xml", ".txt"))
    text = path.read_text()
    if kind == "coco":
        value = json.loads(text)
        value["annotations"][0]["bbox"][0] = 4000
        path.write_text(json.dumps(value))
    elif kind == "yolo":
        path.write_text("0 3.5 0.5 0.1 0.1\n" + text.split("\n", 1)[1])
    else:
        path.write_text(text.replace("<ymax>32<", "<ymax>-7<").replace("<ymin>5<", "<ymin>-20<"))
    with caplog.at_level(logging.WARNING):
        assert [one.label for one in read(raw)] == ["low"]
    assert "1 outside their images, left out" in caplog.text


def test_polygons_that_cross_themselves_are_mended_and_counted(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    bow = [(10, 10), (40, 40), (40, 10), (10, 40)]
    star = [(40 + 15 * np.cos(4 * np.pi * k / 5), 30 + 15 * np.sin(4 * np.pi * k / 5)) for k in range(5)]
    features(raw, outline(HIGH.tolist()), outline(bow), outline(star))
    with caplog.at_level(logging.WARNING):
        samples = read(raw)
    assert "2 crossing themselves, mended by the even-odd rule" in caplog.text
    masks = [one.mask(SIZE) for one in samples if one.mask]
    assert 0.4 < np.count_nonzero(masks[1]) / 31**2 < 0.6  # both halves of the bow tie
    middle = masks[2][masks[2].shape[0] // 2 - 1, masks[2].shape[1] // 2 - 1]
    assert middle == 0 and np.count_nonzero(masks[2]) > 100  # a star's middle lies within it an even number of times
    [found] = ADAPTER.read_fields(raw, {}, "k")
    assert len(found.cells) == 3


def test_two_files_of_annotations_for_one_image_are_refused(raw: Path) -> None:
    geojson(raw)
    (raw / "more").mkdir()
    geojson(raw, name="more/a.png.geojson")
    with pytest.raises(CytopipeError, match=r"more/a.png.geojson: the annotations of a.png are in a.geojson already"):
        read(raw)
    (raw / "more/a.png.geojson").unlink()
    voc(raw)
    with pytest.raises(CytopipeError, match=r"a.xml: the annotations of a.png are in a.geojson already"):
        read(raw)


@pytest.mark.parametrize("kind", ["geojson", "coco", "yolo", "asap", "cvat", "label studio"])
def test_an_annotation_of_an_absent_image_is_named_or_counted(
    kind: str, raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    OUTLINED[kind](raw)
    (raw / "images/a.png").rename(raw / "images/other.png")
    with pytest.raises(CytopipeError, match=r"1 annotated images are not there, first '[\w/-]*a(\.png)?'"):
        read(raw)
    field(raw / "images/b.png")
    geojson(raw, name="b.geojson")
    with caplog.at_level(logging.WARNING):
        assert {one.image.name for one in read(raw, absent="skip")} == {"b.png"}
    assert "1 annotated images are not there" in caplog.text
    assert "1 images have no annotations and are left out, first other.png" in caplog.text


@pytest.mark.parametrize("write", [geojson, coco_file, label_studio, asap, cvat, voc])
def test_a_file_that_is_cut_off_is_named_with_its_line(write: Callable[[Path], None], raw: Path) -> None:
    write(raw)
    path = next(path for path in raw.iterdir() if path.is_file())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CytopipeError, match=rf"{path.name}:\d+:\d+: this is no whole (JSON|XML)"):
        read(raw)


def test_entities_of_xml_are_refused_before_they_grow(raw: Path) -> None:
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))]
    bomb = f"<?xml version='1.0'?><!DOCTYPE x [{''.join(lines)}]><annotations><image name='&a11;'/></annotations>"
    outside = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><annotations/>"
    for text in (bomb, outside, "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><annotations>&e;</annotations>"):
        (raw / "a.xml").write_text(text)
        with pytest.raises(CytopipeError, match="has a document type, which can define entities: it is not read"):
            read(raw)
    (raw / "a.xml").write_text("<a>" * 5000 + "</a>" * 5000)
    with pytest.raises(CytopipeError, match="nested more than 100 levels deep"):
        read(raw)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply|no whole JSON"),
        ('{"type": "FeatureCollection", "features": [NaN]}', "NaN is no number of JSON"),
        ('{"type": "FeatureCollection", "features": 1}', "the list of features is no list"),
        ('{"type": "FeatureCollection", "features": [1]}', "the feature is no object"),
        ("", "the file of annotations is empty"),
        ('{"images": [], "annotations": ' + "9" * 5000 + "}", "no JSON that can be read"),
        ('{"images": [], "annotations": 1}', "`annotations` is no list"),
        ('{"images": [1], "annotations": []}', "an image is no object"),
        ('{"shapes": []}', "no file holds annotations"),
    ],
    ids=["deep", "nan", "features", "feature", "empty", "digits", "coco", "coco image", "labelme"],
)
def test_json_that_is_no_annotation_is_refused(text: str, message: str, raw: Path) -> None:
    (raw / "a.json").write_text(text)
    with pytest.raises(CytopipeError, match=message):
        read(raw)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(1, 1), (5, 1)], "a polygon needs 3 points, this has 2"),
        ([(1, 1), (1, 1), (5, 1), (1, 1)], "a polygon needs 3 points, this has 2"),
        ([(1, 1), (5, 1), (5, "x")], "'x' is no coordinate"),
        ([(1, 1), (5, 1), (5, None)], "'None' is no coordinate"),
        ([(1, 1), (5, 1), (5, 1e300)], r"'1e\+300' is no coordinate"),
        ([(1, 1), (5, 1), (5,)], "no pair of coordinates"),
        ([(1, 1), (5, 1), 5], "no pair of coordinates"),
        ("12", "a ring is no list"),
    ],
)
def test_rings_that_are_none_are_refused(points: Any, message: str, raw: Path) -> None:
    features(raw, outline(points))
    with pytest.raises(CytopipeError, match=rf"a.geojson: feature 1: .*{message}"):
        read(raw)


def test_absurdly_large_polygons_and_masks_are_refused(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_POINTS", 50)
    features(raw, outline([(k, k % 7) for k in range(51)]))
    with pytest.raises(CytopipeError, match="a polygon of 51 points; at most 50 are read"):
        read(raw)
    monkeypatch.setattr("cytopipe.adapters.annotations.cells.MOST_PIXELS", 1000)
    features(raw, outline([(-9e6, -9e6), (9e6, -9e6), (9e6, 9e6), (-9e6, 9e6)]))
    with pytest.raises(CytopipeError, match=rf"an outline over {WIDTH} x {HEIGHT} px is no cell[\s\S]*maps it to null"):
        read(raw)
    monkeypatch.setattr(files, "MOST_BYTES", 20)
    with pytest.raises(CytopipeError, match=r"a file of annotations of \d+ bytes; at most 20 are read"):
        read(raw)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, r"have 10 pixels, its size says 4,800"),
        ({"size": [HEIGHT, WIDTH], "counts": [-5, 4805]}, "the length of a run is '-5'"),
        ({"size": [HEIGHT, WIDTH], "counts": [1e300]}, "the length of a run is"),
        ({"size": [HEIGHT, WIDTH], "counts": "~"}, "is no letter of a compressed mask|cut off or damaged"),
        ({"size": [HEIGHT, WIDTH], "counts": "oooooooooooooo"}, "is no letter|damaged|pixels"),
        (
            {"size": [10**8, 10**8], "counts": [10**16]},
            r"the mask is of 100000000 x 100000000 px, its image of 80 x 60",
        ),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "the mask has no pixel"),
        ({"counts": [1]}, "the mask has no size"),
        ([[1, 2, 3, 4, 5]], "they are no pairs of x and y"),
        ([[1, 2, 3, 4, True, 6]], "'True' is no coordinate"),
        ([], "neither an outline nor a box"),
    ],
)
def test_masks_of_coco_that_are_none_are_refused(segmentation: Any, message: str, raw: Path) -> None:
    coco_file(raw)
    value = json.loads((raw / "instances.json").read_text())
    value["annotations"][0]["segmentation"] = segmentation
    (raw / "instances.json").write_text(json.dumps(value))
    with pytest.raises(CytopipeError, match=rf"instances.json: annotation 1: .*({message})"):
        read(raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value["annotations"][0].update(image_id=99), "of the image 99, which the file does not list"),
        (lambda value: value["annotations"][0].update(category_id=9), "of the category 9, which the file does not"),
        (lambda value: value["images"].append(dict(value["images"][0])), "two images have the id 7"),
        (lambda value: value["images"][0].pop("file_name"), "has no `file_name`"),
        (lambda value: value["images"][0].update(height=61), "are of an image of 80 x 61 px, a.png has 80 x 60"),
        (lambda value: value["images"][0].update(height="tall"), "the height of an image is 'tall'"),
    ],
)
def test_coco_files_that_contradict_themselves_are_refused(
    change: Callable[[Any], None], message: str, raw: Path
) -> None:
    coco_file(raw)
    value = json.loads((raw / "instances.json").read_text())
    change(value)
    (raw / "instances.json").write_text(json.dumps(value))
    with pytest.raises(CytopipeError, match=message):
        read(raw)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 x 0.1", "'x' is no coordinate"),
        ("0 0.5 0.5", "is neither a box"),
        ("high 0.5 0.5 0.1 0.1", "is neither a box"),
        ("7 0.5 0.5 0.1 0.1", "there is no class 7: the list has 3, counted from 0"),
        ("0 40 30 20 10", "these are pixels, not shares"),
        ("0 nan 0.5 0.1 0.1", "'nan' is no coordinate"),
    ],
)
def test_lines_of_yolo_that_are_none_are_named(line: str, message: str, raw: Path) -> None:
    yolo(raw, boxes=True)
    with (raw / "labels/a.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CytopipeError, match=rf"labels/a.txt:3: {message}|labels/a.txt:3: .*{message}"):
        read(raw)


def test_two_lists_of_classes_and_a_list_that_is_none_are_refused(raw: Path) -> None:
    yolo(raw)
    (raw / "classes.txt").write_text("high\nother\n")
    with pytest.raises(CytopipeError, match="two files name the classes"):
        read(raw)
    (raw / "classes.txt").unlink()
    (raw / "data.yaml").write_text("names: {0: high, 5: low}")
    with pytest.raises(CytopipeError, match="does not number the classes from 0 to 1"):
        read(raw)
    (raw / "data.yaml").write_text("names: [a, *b]")
    with pytest.raises(CytopipeError, match="this is no YAML"):
        read(raw)


def test_faults_of_label_studio_are_named(raw: Path) -> None:
    label_studio(raw, "brush")
    whole = json.loads((raw / "export.json").read_text())

    def refused(message: str, **changes: Any) -> None:
        value = json.loads(json.dumps(whole))
        value[0]["annotations"][0]["result"][0].update(changes)
        (raw / "export.json").write_text(json.dumps(value))
        with pytest.raises(CytopipeError, match=rf"export.json: task 1.*{message}"):
            read(raw)

    brush = whole[0]["annotations"][0]["result"][0]["value"]
    refused("brush's bytes are not those of a mask", value={**brush, "rle": brush["rle"][:40]})
    refused("brush's bytes are not those of a mask", value={**brush, "rle": [999]})
    refused("several classes: high, low", value={**brush, "brushlabels": ["high", "low"]})
    refused("of images of several sizes", original_width=3, original_height=3)
    refused("the image was turned for it", image_rotation=90)
    twice = json.loads(json.dumps(whole))
    twice[0]["annotations"] *= 2
    (raw / "export.json").write_text(json.dumps(twice))
    with pytest.raises(CytopipeError, match="2 people annotated this image"):
        read(raw)


def test_an_address_that_is_none_is_named(raw: Path) -> None:
    label_studio(raw)
    text = (raw / "export.json").read_text()
    (raw / "export.json").write_text(text.replace("/data/upload/1/0a1b2c3d-a.png", "http://[::1/a.png"))
    with pytest.raises(CytopipeError, match=r"task 1: 'http://\[::1/a.png' is no address of an image"):
        read(raw)


def test_tracks_and_damaged_shapes_of_cvat_are_refused(raw: Path) -> None:
    def refused(text: str, message: str) -> None:
        (raw / "a.xml").write_text(f"<annotations>{text}</annotations>")
        with pytest.raises(CytopipeError, match=message):
            read(raw)

    refused("<track/>", "tracks of a video")
    refused('<image name="a.png"><box label="high" xtl="1"/></image>', "shape 1 of a.png: 'None' is no coordinate")
    mask = '<image name="a.png"><mask label="high" rle="{}" left="{}" top="0" width="5" height="5"/></image>'
    refused(mask.format("1,2", 0), "have 3 pixels, its size says 25")
    refused(mask.format("0,x", 0), "the length of a run is 'x'")
    refused(mask.format("0,25", -3), "`left` of a mask is '-3'")
    refused(mask.replace('"5"', '"99999999"').format("1,2", 0), "is no cell")


def test_a_polygon_of_many_points_needs_no_table_of_pairs() -> None:
    """All pairs of 60,000 sides would be 3.6e9 numbers."""
    from cytopipe.adapters.annotations.crossing import crosses_itself

    along = np.linspace(0, 2 * np.pi, 60_000, endpoint=False)
    circle = np.stack([1000 * np.cos(along), 1000 * np.sin(along)], axis=1)
    tracemalloc.start()
    try:
        assert not crosses_itself(circle)
        assert crosses_itself(np.stack([1000 * np.cos(along), 1000 * np.sin(2 * along)], axis=1))
        assert tracemalloc.get_traced_memory()[1] < 1000 * circle.nbytes
    finally:
        tracemalloc.stop()


def test_an_image_that_cannot_be_read_is_named(raw: Path) -> None:
    geojson(raw)
    (raw / "images/a.png").write_bytes(b"no image")
    with pytest.raises(CytopipeError, match=r"a.png: the file is not an image"):
        read(raw)
    Image.new("RGB", (WIDTH, HEIGHT)).save(raw / "images/a.png")
    assert len(read(raw)) == 2


@pytest.mark.parametrize("place", ["..", "images/../..", "/absent"])
@pytest.mark.parametrize("option", ["images", "annotations"])
def test_folders_outside_the_source_are_refused(option: str, place: str, raw: Path) -> None:
    geojson(raw)
    with pytest.raises(CytopipeError, match=rf"options.{option}: '{place}' is not below the source"):
        read(raw, **{option: place})


def test_a_table_without_its_column_groups_nothing_and_is_refused(raw: Path) -> None:
    geojson(raw)
    (raw / "fields.csv").write_text("image,patient\na.png,x\n")
    with pytest.raises(CytopipeError, match=r"options.csv: a table is given, but no column of it"):
        read(raw, csv="fields.csv")


def test_collections_of_geometries_are_their_polygons(raw: Path) -> None:
    one = outline(HIGH.tolist())
    point = {"type": "Point", "coordinates": [1, 1]}
    features(raw, {**one, "geometry": {"type": "GeometryCollection", "geometries": [point, one["geometry"]]}})
    [found] = read(raw)
    features(raw, one)
    assert [found.crop] == [one.crop for one in read(raw)]
    for geometries in ([], [point]):
        features(raw, {**one, "geometry": {"type": "GeometryCollection", "geometries": geometries}})
        with pytest.raises(CytopipeError, match=r"feature 1: the geometry has no polygon"):
            read(raw)
