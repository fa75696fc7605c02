"""Detection of cells in whole fields: each is found once, wherever tiles end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.detectors import CellDetector, find_cells
from cytopipe.screening.patch_detector import PatchDetector
from cytopipe.screening.segmenter_detector import SegmenterDetector
from fixture_types import DrawField, SaveClassifier

CPU = torch.device("cpu")
WHOLE = 10_000  # a tile larger than any field here


@pytest.fixture(params=["segmenter", "lone", "crops", "patches", "squares"])
def detector(request: pytest.FixtureRequest, otsu_tiles: Path, otsu_whole: Path, patch_model: Path) -> CellDetector:
    if request.param == "segmenter":
        return SegmenterDetector(otsu_tiles, CPU, scale=2.0, lone=False)
    if request.param == "lone":
        return SegmenterDetector(otsu_tiles, CPU, scale=0.45)
    if request.param == "crops":
        return SegmenterDetector(otsu_whole, CPU)
    return PatchDetector(patch_model, CPU, reach=1.0, box=30 if request.param == "squares" else None)


def told(cells: list[DetectedCell]) -> list[tuple[Box, list[Any], list[Any] | None, int, float]]:
    """Everything that is known of the cells, sorted, whatever their order was."""
    return sorted(
        (
            cell.box,
            cell.contour.tolist(),
            None if cell.nucleus is None else cell.nucleus.tolist(),
            cell.area,
            cell.score,
        )
        for cell in cells
    )


@pytest.mark.parametrize("tile", [71, 128])
def test_tiles_change_nothing(detector: CellDetector, phantom_field: np.ndarray, tile: int) -> None:
    field = Field.of(phantom_field)
    tile //= detector.step
    once = told(list(find_cells(field, detector, WHOLE)))
    assert len(once) >= 3
    assert told(list(find_cells(field, detector, tile))) == once


@pytest.mark.parametrize("off", [-15, -1, 0, 6])
def test_a_cell_on_the_border_or_corner_of_tiles_is_found_once(
    otsu_tiles: Path, patch_model: Path, draw_field: DrawField, off: int
) -> None:
    middles = [(60 * column + off, 60 * row + off) for row in (1, 2) for column in (1, 2, 3)]
    field = Field.of(draw_field(180, 240, middles))
    for detector in (
        SegmenterDetector(otsu_tiles, CPU),
        PatchDetector(patch_model, CPU, apart=0.5, reach=0.9, least_cell=0.5),
    ):
        cells = list(find_cells(field, detector, 60 // detector.step))
        assert len(cells) == len({cell.box for cell in cells}) == len(middles)
        for cell in cells:
            x, y = min(middles, key=lambda one: abs(one[0] - cell.box[0] - 15) + abs(one[1] - cell.box[1] - 15))
            assert np.abs(np.array(cell.box) - [x - 15, y - 15, x + 16, y + 16]).max() <= 2


def test_outline_nucleus_area_and_score(otsu_tiles: Path, draw_field: DrawField) -> None:
    image = draw_field(100, 120, [(50, 40)])
    [cell] = find_cells(Field.of(image), SegmenterDetector(otsu_tiles, CPU))
    assert cell.box == (35, 25, 66, 56)
    assert cell.area == np.count_nonzero(image[..., 0] < 200)
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [cell.contour], 1)
    assert np.array_equal(inside > 0, image[..., 0] < 200)
    assert cell.nucleus is not None
    inside[:] = 0
    cv2.fillPoly(inside, [cell.nucleus], 1)
    assert np.array_equal(inside > 0, image[..., 0] < 100)
    assert 0.9 < cell.score <= 1 and not cell.cut


def test_touching_cells_are_separated_between_their_nuclei(otsu_tiles: Path, draw_field: DrawField) -> None:
    field = Field.of(draw_field(100, 120, [(40, 50), (66, 50)]))
    left, right = sorted(find_cells(field, SegmenterDetector(otsu_tiles, CPU)), key=lambda cell: cell.box)
    assert left.box[0] == 25 and right.box[2] == 82
    assert abs(left.box[2] - 53) <= 1 and abs(right.box[0] - 53) <= 1


def test_a_cell_without_a_nucleus_and_a_speck(otsu_tiles: Path) -> None:
    image = np.full((200, 200, 3), 235, np.uint8)
    cv2.circle(image, (60, 60), 15, (120, 120, 120), cv2.FILLED)
    cv2.circle(image, (140, 140), 5, (120, 120, 120), cv2.FILLED)
    field = Field.of(image)
    [cell] = find_cells(field, SegmenterDetector(otsu_tiles, CPU))
    assert cell.box == (45, 45, 76, 76) and cell.nucleus is None
    assert list(find_cells(field, SegmenterDetector(otsu_tiles, CPU, lone=False))) == []


def test_a_nucleus_without_a_body_is_no_cell(otsu_tiles: Path, draw_field: DrawField) -> None:
    image = draw_field(200, 200, [(60, 60)])
    cv2.circle(image, (140, 140), 5, (40, 40, 40), cv2.FILLED)  # a leukocyte
    [cell] = find_cells(Field.of(image), SegmenterDetector(otsu_tiles, CPU))
    assert cell.box == (45, 45, 76, 76)


def test_a_cell_that_the_field_cuts_is_marked(otsu_tiles: Path, draw_field: DrawField) -> None:
    field = Field.of(draw_field(150, 150, [(10, 75), (75, 75)]))
    cut, whole = sorted(find_cells(field, SegmenterDetector(otsu_tiles, CPU)), key=lambda cell: cell.box)
    assert cut.cut and cut.box[:3] == (0, 60, 26)
    assert not whole.cut


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (7, 5), (60, 300)])
def test_fields_smaller_than_a_window_and_without_cells(detector: CellDetector, shape: tuple[int, int]) -> None:
    assert list(find_cells(Field.of(np.full((*shape, 3), 235, np.uint8)), detector)) == []


def test_a_cell_in_a_field_smaller_than_a_window(otsu_tiles: Path, draw_field: DrawField) -> None:
    [cell] = find_cells(Field.of(draw_field(40, 44, [(20, 20)])), SegmenterDetector(otsu_tiles, CPU))
    assert cell.box == (5, 5, 36, 36)


def test_the_patch_detector_finds_out_whether_cells_are_darker_than_the_background(
    patch_model: Path, bright_patch_model: Path, draw_field: DrawField
) -> None:
    middles = [(40, 60), (110, 70)]
    dark = told(list(find_cells(Field.of(draw_field(120, 160, middles)), PatchDetector(patch_model, CPU, reach=0.9))))
    assert np.abs(np.array([box[:2] for box, *_ in dark]) + 15 - middles).max() <= 2
    inverted = Field.of(draw_field(120, 160, middles, bright=True))
    bright = told(list(find_cells(inverted, PatchDetector(bright_patch_model, CPU, reach=0.9))))
    assert np.abs(np.array([box for box, *_ in bright]) - [box for box, *_ in dark]).max() <= 2


def test_squares_surround_nuclei_and_end_at_the_edge(patch_model: Path, draw_field: DrawField) -> None:
    field = Field.of(draw_field(120, 120, [(60, 60), (8, 60)]))
    detector = PatchDetector(patch_model, CPU, apart=0.5, box=40)
    cut, whole = sorted(find_cells(field, detector), key=lambda cell: cell.box)
    assert np.abs(np.array(whole.box) - [40, 40, 80, 80]).max() <= 2
    assert whole.box[2] - whole.box[0] == whole.box[3] - whole.box[1] == 40 and whole.area == 1600
    assert cut.cut and cut.box[0] == 0 and cut.box[2] <= 30


def test_a_model_that_finds_no_cells_is_refused(otsu_tiles: Path, patch_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="a classifier, not a segmenter"):
        SegmenterDetector(patch_model, CPU)
    with pytest.raises(CytopipeError, match="no classifier of RGB patches"):
        PatchDetector(otsu_tiles, CPU)


def test_a_segmenter_of_crops_needs_a_scale(save_classifier: SaveClassifier, tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "model") / "segmenter"
    with pytest.raises(CytopipeError, match="--scale"):
        SegmenterDetector(folder, CPU)
    assert SegmenterDetector(folder, CPU, scale=0.5).step == 2
