"""Outputs of a field: valid polygons, the GeoJSON of QuPath, unique names, all files or none."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Predictor
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.outputs import output_names, write_field
from cytopipe.screening.picture import Picture, class_colours
from cytopipe.screening.polygons import ring, well_known_text
from cytopipe.screening.screen import ScreenedCell, screen
from cytopipe.screening.segmenter_detector import SegmenterDetector
from fixture_types import DrawField, SaveClassifier

CPU = torch.device("cpu")
MIDDLES = [(16, 60), (70, 50), (130, 90), (171, 30)]


@pytest.fixture
def field(draw_field: DrawField) -> Field:
    return Field.of(draw_field(140, 190, MIDDLES))


@pytest.fixture
def predictor(save_classifier: SaveClassifier, tmp_path: Path) -> Predictor:
    return Predictor.load(save_classifier(tmp_path / "model"), CPU)


@pytest.fixture
def screened(field: Field, otsu_tiles: Path, predictor: Predictor) -> list[ScreenedCell]:
    return list(screen(field, SegmenterDetector(otsu_tiles, CPU), predictor))


def contour_of(mask: np.ndarray) -> np.ndarray:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return max(found, key=cv2.contourArea)[:, 0].astype(np.int32)


def crosses(points: list[tuple[float, float]]) -> bool:
    """Whether a closed ring touches or crosses itself, apart from the ends of neighbouring edges."""
    edges = list(itertools.pairwise(points))

    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    for one in range(len(edges)):
        for other in range(one + 2, len(edges)):
            if (one, other) == (0, len(edges) - 1):
                continue
            (a, b), (c, d) = edges[one], edges[other]
            if any(max(a[i], b[i]) < min(c[i], d[i]) or max(c[i], d[i]) < min(a[i], b[i]) for i in (0, 1)):
                continue
            if side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0:
                return True
    return False


@pytest.mark.parametrize("shape", ["pixel", "line", "diagonal", "spur", "ring", "noise"])
def test_every_contour_becomes_a_ring_that_does_not_cross_itself(shape: str) -> None:
    mask = np.zeros((24, 24), bool)
    if shape == "pixel":
        mask[5, 7] = True
    elif shape == "line":
        mask[5, 7:15] = True
    elif shape == "diagonal":
        mask[range(3, 9), range(3, 9)] = True
    elif shape == "spur":
        mask[4:10, 4:10], mask[7, 10:20] = True, True
    elif shape == "ring":
        mask[3:20, 3:20], mask[6:17, 6:17] = True, False
    else:
        mask = cv2.GaussianBlur(np.random.default_rng(1).random((24, 24)), (0, 0), 1.2) > 0.5
    contour = contour_of(mask)
    points = ring(contour)
    assert points[0] == points[-1] and len(points) >= 5
    assert not crosses(points)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(filled, [contour], 1)
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(points))) / 2
    corners = np.array(points)
    length = sum(math.dist(*edge) for edge in itertools.pairwise(points))
    assert area == pytest.approx(filled.sum() - 0.01 * length, abs=0.01 * len(points))  # a hundredth of a pixel inside
    ys, xs = np.nonzero(filled)
    assert corners.min(axis=0) == pytest.approx([xs.min() + 0.01, ys.min() + 0.01])
    assert corners.max(axis=0) == pytest.approx([xs.max() + 0.99, ys.max() + 0.99])


def check_polygon(geometry: dict[str, Any], width: int, height: int) -> None:
    """Check a polygon against RFC 7946, section 3.1.6, and the limits of the field."""
    assert set(geometry) == {"type", "coordinates"} and geometry["type"] == "Polygon"
    for line in geometry["coordinates"]:
        assert len(line) >= 4 and line[0] == line[-1]
        for position in line:
            assert len(position) == 2 and all(math.isfinite(value) for value in position)
            assert 0 <= position[0] <= width and 0 <= position[1] <= height


def test_geojson_is_what_qupath_reads(
    field: Field, screened: list[ScreenedCell], predictor: Predictor, tmp_path: Path
) -> None:
    write_field(tmp_path, "slide", field, screened, predictor.classes)
    collection = json.loads((tmp_path / "slide.geojson").read_text())
    assert set(collection) == {"type", "features"} and collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == len(screened) == len(MIDDLES)
    assert len({uuid.UUID(feature["id"]) for feature in collection["features"]}) == len(MIDDLES)
    for feature, one in zip(collection["features"], screened, strict=True):
        assert feature["type"] == "Feature"
        check_polygon(feature["geometry"], field.width, field.height)
        check_polygon(feature["nucleusGeometry"], field.width, field.height)
        properties = feature["properties"]
        assert properties["objectType"] == "cell"
        assert one.prediction is not None
        assert properties["classification"]["name"] == one.prediction.predicted
        colour = properties["classification"]["color"]
        assert len(colour) == 3 and all(isinstance(value, int) and 0 <= value <= 255 for value in colour)
        measured = properties["measurements"]
        assert all(isinstance(value, int | float) and math.isfinite(value) for value in measured.values())
        assert measured["Area px^2"] == one.cell.area
        assert [measured["Probability: bad"], measured["Probability: good"]] == pytest.approx(
            one.prediction.probabilities, abs=1e-6
        )


def test_a_cell_without_nucleus_or_class_is_a_detection(field: Field, tmp_path: Path) -> None:
    cell = DetectedCell((0, 0, 3, 2), np.array([(0, 0), (2, 0), (2, 1), (0, 1)], np.int32), None, 6, 0.5, True)
    tally = write_field(tmp_path, "slide", field, [ScreenedCell(cell, None)], ())
    [feature] = json.loads((tmp_path / "slide.geojson").read_text())["features"]
    assert feature["properties"]["objectType"] == "detection"
    assert "nucleusGeometry" not in feature and "classification" not in feature["properties"]
    [row] = csv.DictReader((tmp_path / "slide.csv").open())
    assert row["cut"] == "true" and "class" not in row and row["nucleus"] == ""
    assert (tally.cells, tally.cut, dict(tally.classes)) == (1, 1, {"cell": 1})


def test_a_field_without_cells_has_all_its_files(field: Field, tmp_path: Path) -> None:
    write_field(tmp_path / "new", "slide", field, [], ("a", "b"))
    assert json.loads((tmp_path / "new/slide.geojson").read_text())["features"] == []
    assert len((tmp_path / "new/slide.csv").read_text().splitlines()) == 1
    assert Image.open(tmp_path / "new/slide.png").width > field.width


def test_the_table(field: Field, screened: list[ScreenedCell], predictor: Predictor, tmp_path: Path) -> None:
    tally = write_field(tmp_path, "slide", field, screened, predictor.classes)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "slide.csv").read_text())))
    assert [row["cell"] for row in rows] == ["1", "2", "3", "4"]
    assert sum(tally.classes.values()) == 4 and tally.cut == 0
    for row, one in zip(rows, screened, strict=True):
        assert one.prediction is not None
        assert tuple(int(row[name]) for name in ("left", "top", "right", "bottom")) == one.cell.box
        assert row["class"] == one.prediction.predicted
        assert row["uncertain"] == str(one.prediction.uncertain).lower()
        assert float(row["p_bad"]) == pytest.approx(one.prediction.probabilities[0], rel=1e-5)
        points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", row["contour"])]
        assert points == ring(one.cell.contour) and row["contour"] == well_known_text(points)


def test_nothing_changes_when_the_screening_fails(field: Field, screened: list[ScreenedCell], tmp_path: Path) -> None:
    def failing() -> Iterator[ScreenedCell]:
        yield screened[0]
        raise CytopipeError("the image cannot be decoded")

    write_field(tmp_path, "slide", field, screened, ("bad", "good"))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("slide.*")}
    assert len(before) == 3
    with pytest.raises(CytopipeError):
        write_field(tmp_path, "slide", field, failing(), ("bad", "good"))
    with pytest.raises(CytopipeError):
        write_field(tmp_path, "other", field, failing(), ("bad", "good"))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/1.png", "a/2.png"], ["1", "2"]),
        (["a/1.png", "b/1.png", "b/2.png"], ["a_1", "b_1", "2"]),
        (["x/a/1.png", "y/a/1.png"], ["x_a_1", "y_a_1"]),
        (["a/1.png", "a/1.bmp"], ["a_1_png", "a_1_bmp"]),
        (["a/Cell.png", "b/cell.png"], ["a_Cell", "b_cell"]),
        (["1.png", "b/1.png", "b_1.png"], ["1", "b_1_png", "b_1_png_2"]),
        (["a/1.png", "a/../a/1.png"], ["a_1", ".._a_1"]),
    ],
)
def test_fields_of_one_stem_get_unique_names(paths: list[str], names: list[str]) -> None:
    found = output_names([Path(path) for path in paths])
    assert found == names
    assert len({name.casefold() for name in found}) == len(paths)


def test_a_picture_is_bounded_and_shows_every_cell(draw_field: DrawField) -> None:
    image = draw_field(100, 9000, [(4500, 50)])
    cell = DetectedCell((4485, 35, 4516, 66), contour_of(image[..., 0] < 200), None, 700, 1.0, False)
    picture = Picture(Field.of(image), class_colours(("cell",)))
    before = picture.finish()
    picture.add(1, ScreenedCell(cell, None))
    after = picture.finish()
    assert before.shape[1] == 3000
    changed = np.argwhere((before != after).any(axis=2)[:33])
    assert len(changed) and changed[:, 1].min() >= 1490 and changed[:, 1].max() <= 1520
    small = Picture(Field.of(image[:, 4400:4600]), class_colours(("cell",))).finish()
    assert small.shape[1] == 1200
