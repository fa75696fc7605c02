from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.base import AnnotatedCell, AnnotatedField
from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.data.field_crops import (
    CHANNELS,
    UNKNOWN,
    CropAugmenter,
    FieldCrops,
    LabelledField,
    draw_layers,
    fields_of_split,
    label_field,
    windows_of,
)
from cytopipe.data.manifest import Row

CELLS = ((40, 40), (80, 50), (10, 90), (120, 90))  # x, y; the third is cut by the left edge


def circle(x: int, y: int, radius: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


@pytest.fixture
def drawn(tmp_path: Path) -> AnnotatedField:
    """Four cells of which the first two are outlined."""
    image = np.full((128, 160, 3), 230, np.uint8)
    for x, y in CELLS:
        cv2.circle(image, (x, y), 14, (150, 140, 160), cv2.FILLED)
        cv2.circle(image, (x, y), 5, (40, 30, 60), cv2.FILLED)
    Image.fromarray(image).save(tmp_path / "one.png")
    cells = tuple(AnnotatedCell(f"c{x}", "a", circle(x, y, 14), circle(x, y, 5)) for x, y in CELLS[:2])
    return AnnotatedField("one", tmp_path / "one.png", "one", cells)


def test_a_cell_that_the_edge_cuts_is_unknown_and_another_without_outline_is_background(drawn: AnnotatedField) -> None:
    cell = label_field(drawn, 1.0, everything=True).layers[..., 4]
    assert cell[40, 40] == 1 and cell[50, 80] == 2
    assert cell[90, 10] == UNKNOWN and cell[90, 120] == 0 and cell[10, 10] == 0


def test_with_some_outlines_whatever_may_be_a_cell_is_unknown(drawn: AnnotatedField) -> None:
    cell = label_field(drawn, 1.0, everything=False).layers[..., 4]
    assert cell[90, 10] == UNKNOWN and cell[90, 120] == UNKNOWN
    assert cell[40, 40] == 1 and cell[10, 10] == 0


def test_a_scaled_field_is_labelled_at_its_scale(drawn: AnnotatedField) -> None:
    labelled = label_field(drawn, 0.5, everything=True)
    assert labelled.layers.shape == (64, 80, CHANNELS)
    assert labelled.layers[20, 20, 4] == 1 and labelled.layers[20, 20, 3] == 1
    assert labelled.sides[0] == pytest.approx(14, abs=0.1)


def test_the_middle_of_a_nucleus_is_bright_and_a_pixel_has_two_cells() -> None:
    layers = draw_layers((60, 60), [(circle(20, 30, 14), circle(20, 30, 5)), (circle(40, 30, 14), circle(40, 30, 5))])
    assert layers[30, 20, 3] == 255 and 0 < layers[30, 24, 3] < 120
    assert layers[30, 30, 1] == 1 and layers[30, 30, 2] == 2
    assert layers[30, 40].tolist()[:3] == [2, 2, 0]


def test_crops_differ_in_every_pass_and_are_the_same_again(drawn: AnnotatedField) -> None:
    crops = FieldCrops([label_field(drawn, 1.0, True)], 64, seed=3)
    assert len(crops) == 5 and crops.shape == (5, 64, 64, CHANNELS)
    assert np.array_equal(crops.crop(1, 2), crops.crop(1, 2))
    assert not np.array_equal(crops.crop(1, 2), crops.crop(2, 2))
    augment = CropAugmenter(crops, Augmenter(Augmentation(flips=True), 3))
    first, second = (augment(np.zeros(0), 1, [2, 4]) for _ in range(2))
    assert first.shape == (2, 64, 64, CHANNELS) and np.array_equal(first, second)


def test_beyond_a_small_field_nothing_is_known() -> None:
    crops = FieldCrops([LabelledField("f", np.full((40, 100, CHANNELS), 7, np.uint8), (10.0,))], 64, seed=0)
    crop = crops.crop(0, 0)
    assert (crop[:40, :, 4] == 7).all() and (crop[40:, :, 4] == UNKNOWN).all()
    assert (crop[40:, :, :3] == 7).all() and not crop[40:, :, 3].any()
    windows = list(windows_of(crops.fields, 64))
    assert len(windows) == 2 and (windows[1][:, 36:, 4] == UNKNOWN).all()


def test_a_field_belongs_to_the_split_of_all_its_images(drawn: AnnotatedField) -> None:
    def row(group: str, split: str) -> Row:
        return Row(id=group, path="", label="a", class_index=0, split=split, group=group, width=1, height=1,
                   sha256="0" * 64, mask_path="", mask_sha256="", source="")  # fmt: skip

    assert fields_of_split([drawn], [row("one", "val")], "val") == [drawn]
    assert fields_of_split([drawn], [row("one", "val"), row("one", "test")], "val") == []
    assert fields_of_split([drawn], [row("two", "val")], "val") == []


def test_the_middle_of_a_cell_without_an_outlined_nucleus_is_that_of_the_cell() -> None:
    square = np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 8.0]])
    nucleus, cell, _, middle = np.moveaxis(draw_layers((11, 11), [(square, None)]), -1, 0)
    assert not nucleus.any()
    assert (cell > 0).sum() == (middle > 0).sum() > 0
    assert np.unravel_index(middle.argmax(), middle.shape) == (5, 5)
