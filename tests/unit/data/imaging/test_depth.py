from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.data.imaging.depth import kind_of, kind_of_values, range_beside_8_bit, refuse_outside, to_8_bit
from cytopipe.errors import CytopipeError

HERE = Path("cell.tif")


def test_the_ends_of_a_range_become_0_and_255() -> None:
    values = np.array([0, 8, 9, 2047, 2048, 4095, 5000])
    assert to_8_bit(values, (0, 4095), HERE).tolist() == [0, 0, 1, 127, 128, 255, 255]
    assert to_8_bit(np.array([-1.0, -0.5, 0.0, 1.0]), (-1, 1), HERE).tolist() == [0, 64, 128, 255]


def test_all_16_bits_are_divided_by_257() -> None:
    values = np.arange(65_536, dtype=np.uint16)
    assert np.array_equal(to_8_bit(values, (0, 65_535), HERE), np.round(values / 257).astype(np.uint8))


def test_most_values_must_lie_in_the_range() -> None:
    to_8_bit(np.array([0, 9]), (0, 5), HERE)  # a half of them may lie outside
    with pytest.raises(CytopipeError, match=r"cell\.tif: 67% of its values, which are 0 to 9, lie outside .* 0 to 5"):
        to_8_bit(np.array([0, 8, 9]), (0, 5), HERE)
    with pytest.raises(CytopipeError, match="100% of its values, which are 1 to 2"):
        refuse_outside(1.0, (1, 2), (5, 6), HERE)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "8-bit"), ("RGB", "8-bit"), ("1", "8-bit"), ("I;16", "16-bit"), ("F", "float")]
)
def test_the_kind_of_values(mode: str, kind: str, tmp_path: Path) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert kind_of(image, tmp_path / "a.tif") == kind


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("u1", "8-bit"), ("i1", "16-bit"), ("u2", "16-bit"), ("i2", "16-bit"), ("u4", "32-bit"), ("f2", "float")],
)
def test_the_kind_of_decoded_values(dtype: str, kind: str) -> None:
    assert kind_of_values(np.zeros(3, dtype)) == kind


def test_beside_8_bit_images_16_bits_must_be_used() -> None:
    assert range_beside_8_bit("16-bit", 16_384, HERE) == (0, 65_535)
    for kind, most in (("16-bit", 16_383.0), ("16-bit", 70_000.0), ("float", 20_000.0), ("32-bit", 20_000.0)):
        with pytest.raises(CytopipeError, match=rf"{kind} values up to {most:g}, .*--range LOW,HIGH"):
            range_beside_8_bit(kind, most, HERE)  # type: ignore[arg-type]
