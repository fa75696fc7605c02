from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import SaveImage
from samples import true_mask

HEADER = "image ID,class label\r\n"
CSV = "Class Labels of Dataset 1.csv"


def read(raw: Path) -> list[Sample]:
    return ADAPTERS["wbc"].read(raw, {}, "k")


@pytest.fixture
def raw(tmp_path: Path, save_image: SaveImage) -> Path:
    """Three images, below a root of the archive's own."""
    for number in (1, 2, 10):
        image = tmp_path / "segmentation_WBC-master" / "dataset 1" / f"{number:03d}.bmp"
        save_image(image, size=(4, 3))
        mask = np.full((4, 3), 0, np.uint8)
        mask[1:3], mask[2, 1] = 128, 255
        Image.fromarray(mask).save(image.with_suffix(".png"))
    write(tmp_path, "1,5\r\n2,1\r\n10,3\r\n")
    return tmp_path


def write(raw: Path, rows: str, header: str = HEADER) -> None:
    (raw / "segmentation_WBC-master" / CSV).write_bytes((header + rows).encode())


def test_unpadded_ids_name_padded_images(raw: Path) -> None:
    found = [(sample.id, sample.label, sample.group, sample.image.name) for sample in read(raw)]
    assert found == [
        ("001", "basophil", "001", "001.bmp"),
        ("002", "neutrophil", "002", "002.bmp"),
        ("010", "monocyte", "010", "010.bmp"),
    ]


def test_mask_values_are_translated(raw: Path) -> None:
    assert true_mask(read(raw)[0], (4, 3)).tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 1], [0, 0, 0]]


def test_an_odd_mask_value_is_named(raw: Path) -> None:
    path = raw / "segmentation_WBC-master/dataset 1/002.png"
    Image.fromarray(np.full((4, 3), 64, np.uint8)).save(path)
    with pytest.raises(CytopipeError, match=r"002\.png: mask values \[64\] are none of \[0, 128, 255\]"):
        true_mask(read(raw)[1], (4, 3))


def test_a_missing_mask_is_named(raw: Path) -> None:
    (raw / "segmentation_WBC-master/dataset 1/002.png").unlink()
    with pytest.raises(CytopipeError, match=r"002\.png: no such image"):
        true_mask(read(raw)[1], (4, 3))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,5\r\n2,1\r\n10,3\r\n11,1\r\n", r"\.csv:5: the id '11' has no image 011\.bmp"),
        ("1,5\r\nx,1\r\n10,3\r\n", r"\.csv:3: the id 'x' has no image"),
        ("1,5\r\n2,6\r\n10,3\r\n", r"\.csv:3: the label '6' is not one of 1 to 5"),
        ("1,5\r\n2,0\r\n10,3\r\n", r"\.csv:3: the label '0'"),
        ("1,5\r\n2,\u00b2\r\n10,3\r\n", r"\.csv:3: the label '\u00b2'"),
        ("1,5\r\n2,1\r\n2,1\r\n10,3\r\n", r"\.csv:4: the id '2' stands twice"),
        ("1,5\r\n2,1\r\n002,1\r\n10,3\r\n", r"\.csv:4: the id '002' stands twice"),
        ("1,5\r\n", r"\.csv: 2 images have no row, first 002\.bmp"),
    ],
)
def test_rows_and_images_must_match(rows: str, message: str, raw: Path) -> None:
    write(raw, rows)
    with pytest.raises(CytopipeError, match=message):
        read(raw)


def test_a_missing_column_is_named(raw: Path) -> None:
    write(raw, "1,5\r\n", header="image,class label\r\n")
    with pytest.raises(CytopipeError, match=r"no column 'image ID'; it has 'image', 'class label'"):
        read(raw)


def test_another_dataset_is_named_as_such(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "im_Parabasal/im_Parabasal/001.bmp")
    with pytest.raises(CytopipeError) as error:
        read(tmp_path)
    assert error.value.where == tmp_path
    assert "expected white blood cells, dataset 1 (Dataset 1/001.bmp" in error.value.what
    assert error.value.what.endswith("found im_Parabasal/im_Parabasal")
    assert "https://github.com/zxaoyou/segmentation_WBC" in str(error.value.hint)


def test_junk_and_deeper_copies_of_the_folder_are_passed_over(raw: Path, save_image: SaveImage) -> None:
    for folder in ("__MACOSX/Dataset 1", "a/deeper/than/that/Dataset 1"):
        save_image(raw / folder / "003.bmp")
    assert {sample.image.parent for sample in read(raw)} == {raw / "segmentation_WBC-master" / "dataset 1"}
