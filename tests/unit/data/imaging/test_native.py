from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import encode_png, read_image
from cytopipe.data.imaging.native import is_special, kind_in_header, read_native, upright


@pytest.mark.parametrize("orientation", range(1, 9))
def test_values_are_turned_as_pil_turns_images(orientation: int, tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(read_native(tmp_path / "a.png", Reading()).image)
    assert np.array_equal(upright(pixels, orientation), expected)
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "deep.png", exif=exif)
    deep = read_native(tmp_path / "deep.png", Reading())
    assert deep.values is not None and np.array_equal(deep.values, expected.astype(np.uint16) * 257)
    assert deep.turned == (orientation > 1)


def test_plain_tiffs_are_read_by_pil(tmp_path: Path) -> None:
    plain = np.zeros((6, 5, 3), np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", plain, photometric="rgb")
    tifffile.imwrite(tmp_path / "deep.tif", plain.astype(np.uint16), photometric="rgb")
    tifffile.imwrite(tmp_path / "signed.tif", plain[..., 0].astype(np.int8))
    (tmp_path / "text.tif").write_text("no image")
    names = ("plain.tif", "deep.tif", "signed.tif", "text.tif", "none.tif")
    assert [is_special(tmp_path / name) for name in names] == [False, True, True, False, False]
    assert kind_in_header(tmp_path / "deep.tif", Reading()) == "16-bit"


def test_what_was_prepared_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    (tmp_path / "a.png").write_bytes(encode_png(pixels, prepared=True))
    reading = Reading(range=(0, 4095), channels=(2,), eight_bit=False)
    assert np.array_equal(read_image(tmp_path / "a.png", reading).rgb, pixels)
    assert encode_png(pixels) != encode_png(pixels, prepared=True)
