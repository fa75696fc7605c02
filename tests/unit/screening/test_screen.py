"""Detected cells are cropped like training images and classified as by `cytopipe predict`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.data.imaging.boxes import overlap, with_margin
from cytopipe.data.imaging.fields import Field
from cytopipe.models.inference.predictor import Predictor
from cytopipe.screening.screen import screen
from cytopipe.screening.segmenter_detector import SegmenterDetector
from cytopipe_phantoms.anatomy import Cell, Look
from cytopipe_phantoms.writers.sipakmed import crop_cell
from fixture_types import DrawField, SaveClassifier

CPU = torch.device("cpu")


@pytest.mark.parametrize("channels", ["rgb", "rgb+masks", "masked"])
def test_a_cell_is_classified_as_its_crop(
    channels: str, save_classifier: SaveClassifier, otsu_tiles: Path, draw_field: DrawField, tmp_path: Path
) -> None:
    image = draw_field(200, 300, [(60, 60), (150, 70), (16, 150)])
    predictor = Predictor.load(save_classifier(tmp_path / "model", channels), CPU)
    found = list(screen(Field.of(image), SegmenterDetector(otsu_tiles, CPU), predictor, margin=0.2))
    assert [one.cell.box[:2] for one in found] == [(45, 45), (135, 55), (1, 135)]
    crops = [image[38:82, 38:82], image[48:92, 128:172], image[128:172, 0:38]]
    for one, expected in zip(found, predictor(crops), strict=True):
        assert one.prediction is not None
        assert np.array_equal(one.prediction.item, expected.item)
        assert np.array_equal(one.prediction.probabilities, expected.probabilities)


def test_crops_are_like_those_of_the_training_images() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(300)[:, None] % 256, np.arange(400) % 256
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    outline = np.array([200.0, 150.0]) + np.stack([60 * np.cos(angles), 40 * np.sin(angles)], axis=1)
    look = Look(np.array([1.0, 0.0, 0.0]), 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)  # it does not matter
    crop, corner = crop_cell(image, Cell(outline, outline, (), (), (), (), None, look), 0.05)
    left, top, right, bottom = with_margin((140, 110, 261, 191), 0.05, 300, 400)
    assert [left, top] == corner.tolist()
    assert (bottom - top, right - left) == crop.shape[:2]


def test_cells_at_the_edge_can_be_left_out(otsu_tiles: Path, draw_field: DrawField) -> None:
    field = Field.of(draw_field(150, 150, [(10, 75), (75, 75)]))
    detector = SegmenterDetector(otsu_tiles, CPU)
    assert [one.cell.cut for one in screen(field, detector, None)] == [True, False]
    [whole] = screen(field, detector, None, edge=False)
    assert whole.prediction is None and not whole.cell.cut


def test_overlap_of_boxes() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 15, 10)) == 0
