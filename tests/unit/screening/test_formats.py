"""Cells in GeoJSON, COCO and OME-NGFF come back without losing a pixel; ids tell finders, options and images apart."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from cytopipe.adapters.annotated import ADAPTER
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Prediction
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.identity import cell_id, screening_of
from cytopipe.screening.outputs import write_field
from cytopipe.screening.screen import ScreenedCell, screen
from cytopipe.screening.segmenter_detector import SegmenterDetector
from fixture_types import DrawField

SIDE = 700
CLASSES = ("low", "high")
# RFC 7946: sections 3 (objects), 3.1 (positions, 2 numbers; linear rings of 4 and more), 3.2 (features), 3.3.
RING = {
    "type": "array",
    "minItems": 4,
    "items": {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "number"}},
}
POLYGON = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {"type": {"const": "Polygon"}, "coordinates": {"type": "array", "minItems": 1, "items": RING}},
}
RFC_7946 = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "id": {"type": ["string", "number"]},
                    "geometry": POLYGON,
                    "nucleusGeometry": POLYGON,  # a foreign member, section 6.1
                    "properties": {
                        "type": "object",
                        "required": ["objectType", "measurements"],
                        "properties": {
                            "objectType": {"enum": ["cell", "detection"]},
                            "measurements": {"type": "object", "additionalProperties": {"type": "number"}},
                            "classification": {
                                "type": "object",
                                "required": ["name", "color"],
                                "properties": {
                                    "color": {
                                        "type": "array",
                                        "minItems": 3,
                                        "maxItems": 3,
                                        "items": {"type": "integer", "minimum": 0, "maximum": 255},
                                    }
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def blob(rng: np.random.Generator, size: int) -> np.ndarray:
    """A part of noise, filled: as crooked as a cell can be, with spurs one pixel wide."""
    noise = cv2.GaussianBlur(rng.random((size, size)), (0, 0), 1.0) > 0.5
    _, labels, stats, _ = cv2.connectedComponentsWithStats(noise.astype(np.uint8), connectivity=8)
    part = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    found, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(part, found, -1, 1, cv2.FILLED)
    result: np.ndarray = part.astype(bool)
    return result


def contour(mask: np.ndarray, left: int, top: int) -> np.ndarray:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    return max(found, key=len)[:, 0].astype(np.int32)


@pytest.fixture(scope="module")
def cells() -> tuple[list[ScreenedCell], np.ndarray, np.ndarray]:
    """Cells on a grid, every third without a nucleus, and their numbers as images of cells and nuclei."""
    rng = np.random.default_rng(2)
    numbers, nuclei = np.zeros((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.int32)
    found = []
    for place in range(25):
        left, top = 5 + 135 * (place % 5), 3 + 139 * (place // 5)
        mask = blob(rng, 90)
        if place == 0:
            left, top = 0, 0  # at the corner of the field
        nucleus = contour(inner := blob(rng, 20), left + 30, top + 30) if place % 3 else None
        rows, columns = np.nonzero(mask)
        numbers[top : top + 90, left : left + 90][mask] = place + 1
        if nucleus is not None:
            nuclei[top + 30 : top + 50, left + 30 : left + 50][inner] = place + 1
        box = (left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1)
        cell = DetectedCell(box, contour(mask, left, top), nucleus, int(mask.sum()), 0.9, place == 0)
        share = np.array([0.25, 0.75])
        prediction = Prediction(CLASSES[1], share, 0.75, False, None, np.zeros((2, 2, 5), np.uint8), None)
        found.append(ScreenedCell(cell, prediction))
    return found, numbers, nuclei


@pytest.fixture(scope="module")
def written(cells: tuple[list[ScreenedCell], np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("zarr")
    folder = tmp_path_factory.mktemp("formats")
    field = Field.of(np.full((SIDE, SIDE, 3), 200, np.uint8))
    write_field(folder, "f", field, cells[0], CLASSES, screening="s", also=("coco", "ngff"), image="f.png")
    return folder


def read_back(folder: Path, file: Path, target: Path, **options: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """The numbers of cells and nuclei that the adapter reads, as images."""
    target.mkdir()
    Image.new("RGB", (SIDE, SIDE)).save(target / "f.png")
    (target / file.name).write_bytes(file.read_bytes())
    numbers, nuclei = np.zeros((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.int32)
    samples = ADAPTER.read(target, options, "k")
    for place, sample in enumerate(samples, start=1):
        assert sample.crop is not None and sample.mask is not None and sample.label == "high"
        left, top, right, bottom = sample.crop
        mask = sample.mask((bottom - top, right - left))
        numbers[top:bottom, left:right][mask > 0] = place
        nuclei[top:bottom, left:right][mask == 2] = place
    return numbers, nuclei, len(samples)


def test_geojson_comes_back_without_losing_a_pixel(
    written: Path, cells: tuple[list[ScreenedCell], np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    _, numbers, nuclei = cells
    union = np.where(nuclei > 0, nuclei, numbers)  # a nucleus may stick out of these random cells
    found, inner, count = read_back(written, written / "f.geojson", tmp_path / "back")
    assert count == 25 and np.array_equal(inner, nuclei) and np.array_equal(found, union)


def test_geojson_is_as_rfc_7946_defines_it(written: Path) -> None:
    value = json.loads((written / "f.geojson").read_text())
    jsonschema.validate(value, RFC_7946)
    for feature in value["features"]:
        for geometry in (feature["geometry"], *([feature["nucleusGeometry"]] if "nucleusGeometry" in feature else [])):
            for place, ring in enumerate(geometry["coordinates"]):
                points = np.array(ring)
                area = (points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]).sum()
                assert ring[0] == ring[-1] and (area > 0) == (place == 0)  # the right-hand rule of section 3.1.6
    ids = {uuid.UUID(feature["id"]) for feature in value["features"]}
    assert len(ids) == 25


def test_coco_is_read_by_pycocotools_and_loses_no_pixel(
    written: Path, cells: tuple[list[ScreenedCell], np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    _, numbers, nuclei = cells
    file = written / "f.coco.json"
    coco = COCO(str(file))
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["low", "high", "nucleus"]
    [image] = coco.loadImgs(coco.getImgIds())
    assert (image["file_name"], image["height"], image["width"]) == ("f.png", SIDE, SIDE)
    truth = {2: numbers, 3: nuclei}
    for one in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(one).astype(bool)
        assert np.array_equal(mask, truth[one["category_id"]] == one["attributes"]["number"])
        rows, columns = np.nonzero(mask)
        assert one["area"] == mask.sum() and one["bbox"][2:] == [int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    found, inner, count = read_back(written, file, tmp_path / "back", parts={"nucleus": "nucleus"})
    assert count == 25 and np.array_equal(inner, nuclei)
    assert np.array_equal(found, np.where(nuclei > 0, nuclei, numbers))
    detections = coco.loadRes(json.loads(file.read_text())["annotations"])
    assert len(detections.anns) == len(coco.anns)


def test_labels_are_ome_ngff_and_lose_no_pixel(
    written: Path, cells: tuple[list[ScreenedCell], np.ndarray, np.ndarray]
) -> None:
    import zarr

    root = zarr.open_group(str(written / "f.labels.zarr"), mode="r")
    assert root.attrs["labels"] == ["cells", "nuclei"]
    ids = {feature["id"] for feature in json.loads((written / "f.geojson").read_text())["features"]}
    for name, truth in (("cells", cells[1]), ("nuclei", cells[2])):
        attributes: Any = root[name].attrs.asdict()
        [scales] = attributes["multiscales"]
        assert scales["version"] == "0.4" and [axis["name"] for axis in scales["axes"]] == ["y", "x"]
        levels: list[Any] = [root[f"{name}/{dataset['path']}"] for dataset in scales["datasets"]]
        assert np.array_equal(levels[0][:], truth) and levels[0].dtype == np.int32
        assert np.array_equal(levels[1][:], truth[::2, ::2]) and len(levels) == 2
        assert [one["coordinateTransformations"][0]["scale"] for one in scales["datasets"]] == [[1, 1], [2, 2]]
        label = attributes["image-label"]
        assert [one["label-value"] for one in label["properties"]] == list(range(1, 26))
        assert {one["uuid"] for one in label["properties"]} == ids and len(label["colors"]) == 25


def test_hidden_pixels_of_labels_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("zarr")
    import zarr

    square = np.array([(0, 0), (9, 0), (9, 9), (0, 9)], np.int32)
    both = [DetectedCell((k, 0, k + 10, 10), square + (k, 0), None, 100, 1.0, False) for k in (0, 5)]  # noqa: RUF005
    field = Field.of(np.zeros((20, 20, 3), np.uint8))
    write_field(tmp_path, "f", field, [ScreenedCell(cell, None) for cell in both], (), also=["ngff"])
    assert "labels of cells: 50 pixels belong to two, and have the first" in caplog.text
    group: Any = zarr.open_group(str(tmp_path / "f.labels.zarr"), mode="r")
    assert group["cells"].attrs["hidden_pixels"] == 50
    assert (group["cells/0"][:] == 1).sum() == 100 and (group["cells/0"][:] == 2).sum() == 50


def test_the_same_cells_have_the_same_bytes(
    written: Path, cells: tuple[list[ScreenedCell], np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    field = Field.of(np.full((SIDE, SIDE, 3), 200, np.uint8))
    write_field(tmp_path, "f", field, cells[0], CLASSES, screening="s", also=("coco", "ngff"), image="f.png")
    names = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert all((written / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_ids_differ_between_finders_options_and_images(
    otsu_tiles: Path, otsu_whole: Path, patch_model: Path, draw_field: DrawField, tmp_path: Path
) -> None:
    image = draw_field(140, 190, [(16, 60), (70, 50), (130, 90)])
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).save(tmp_path / "copy.png")
    Image.fromarray(255 - image).save(tmp_path / "b.png")
    found = [one.cell for one in screen(Field.of(image), SegmenterDetector(otsu_tiles, torch.device("cpu")), None)]
    assert len(found) == 3

    def ids(name: str, finder: Path, classifier: Path | None = None, **options: object) -> set[str]:
        screening = screening_of(tmp_path / name, finder, classifier, options)
        return {cell_id(screening, cell) for cell in found}

    several = [
        ids("a.png", otsu_tiles), ids("a.png", otsu_whole), ids("a.png", otsu_tiles, patch_model),
        ids("a.png", otsu_tiles, threshold=0.4), ids("a.png", otsu_tiles, margin=0.1), ids("b.png", otsu_tiles),
    ]  # fmt: skip
    assert len(set().union(*several)) == 6 * 3
    assert ids("copy.png", otsu_tiles) == ids("a.png", otsu_tiles)  # the image counts, not its name
    assert ids("a.png", otsu_tiles, threshold=None) == ids("a.png", otsu_tiles)
    with pytest.raises(CytopipeError, match="not a model folder"):
        screening_of(tmp_path / "a.png", tmp_path, None, {})
