"""Regions of big fields have the pixels and the errors of `read_rgb`, in constant memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.data.imaging import fields
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.fields import Field, open_field
from cytopipe.errors import CytopipeError
from fixture_types import DrawField

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (61, 47, 3), np.uint8)
DEEP = RNG.integers(0, 65_536, (61, 47), np.uint16)
TURNED = Image.Exif()
TURNED[274] = 6
IMAGES: dict[str, tuple[Image.Image, dict[str, Any]]] = {
    "rgb.png": (Image.fromarray(RGB), {}),
    "rgb.bmp": (Image.fromarray(RGB), {}),
    "rgb.tif": (Image.fromarray(RGB), {}),
    "lzw.tif": (Image.fromarray(RGB), {"compression": "tiff_lzw"}),
    "rgb.jpg": (Image.fromarray(RGB), {}),
    "rgb.webp": (Image.fromarray(RGB), {"lossless": True}),
    "grey.png": (Image.fromarray(RGB[..., 0]), {}),
    "grey.bmp": (Image.fromarray(RGB[..., 0]), {}),
    "grey.jpg": (Image.fromarray(RGB[..., 0]), {}),
    "deep.png": (Image.fromarray(DEEP), {}),
    "deep.tif": (Image.fromarray(DEEP), {}),
    "alpha.png": (Image.fromarray(np.dstack([RGB, RGB[..., 1]])), {}),
    "grey_alpha.png": (Image.fromarray(np.dstack([RGB[..., 0], RGB[..., 1]])), {}),
    "palette.png": (Image.fromarray(RGB).convert("P"), {}),
    "palette.bmp": (Image.fromarray(RGB).convert("P"), {}),
    "cmyk.jpg": (Image.fromarray(RGB).convert("CMYK"), {}),
    "bits.png": (Image.fromarray(RGB).convert("1"), {}),
    "turned.jpg": (Image.fromarray(RGB), {"exif": TURNED}),
    "turned.tif": (Image.fromarray(RGB), {"exif": TURNED}),
    "turned.png": (Image.fromarray(RGB), {"exif": TURNED}),
}


@pytest.fixture
def all_are_big(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "WHOLE", 0)


@pytest.mark.parametrize("name", IMAGES)
def test_a_big_field_has_the_pixels_of_a_small_one(name: str, tmp_path: Path, all_are_big: None) -> None:
    image, options = IMAGES[name]
    image.save(tmp_path / name, **options)
    whole, _ = read_rgb(tmp_path / name)
    with open_field(tmp_path / name) as field:
        assert (field.height, field.width) == whole.shape[:2]
        assert np.array_equal(field.read(0, 0, field.height, field.width), whole)
        assert np.array_equal(field.read(20, 5, 13, 31), whole[20:33, 5:36])


def test_a_big_field_of_deep_colours(tmp_path: Path, all_are_big: None) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), RNG.integers(0, 65_536, (30, 20, 3)).astype(np.uint16))
    with open_field(path) as field:
        assert np.array_equal(field.read(0, 0, 30, 20), read_rgb(path)[0])


def test_beyond_its_edge_a_field_repeats_its_outermost_pixels() -> None:
    padded = np.pad(RGB, ((5, 4), (3, 9), (0, 0)), mode="edge")
    field = Field.of(RGB)
    assert np.array_equal(field.read(-5, -3, 70, 59), padded)
    assert np.array_equal(field.read(70, 60, 2, 2), np.broadcast_to(RGB[-1, -1], (2, 2, 3)))
    assert np.array_equal(field.read(-9, 10, 2, 3), np.stack([RGB[0, 10:13]] * 2))


def test_a_shrunk_field_has_the_means_of_its_squares() -> None:
    image = np.kron(RGB[:12, :10], np.ones((20, 20, 1), np.uint8))
    assert np.array_equal(Field.of(image).shrunk(20), RGB[:12, :10])
    assert Field.of(image[:7, :50]).shrunk(20).shape == (1, 2, 3)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "stack"])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_damaged_files_have_the_errors_of_read_rgb(kind: str, suffix: str, tmp_path: Path, all_are_big: None) -> None:
    path = tmp_path / f"field{suffix}"
    if kind in ("empty", "text"):
        path.write_bytes(b"" if kind == "empty" else b"no image at all")
    elif kind == "truncated":
        Image.fromarray(RGB).save(path)
        path.write_bytes(path.read_bytes()[:-3000])
    elif kind == "stack":
        if suffix != ".tif":
            pytest.skip("only a TIFF holds pages")
        Image.fromarray(RGB).save(path, save_all=True, append_images=[Image.fromarray(RGB[::-1])])
    with pytest.raises(CytopipeError) as told, open_field(path) as field:
        field.read(0, 0, field.height, field.width)
    with pytest.raises(CytopipeError) as expected:
        read_rgb(path)
    if kind == "truncated":
        assert "the image cannot be decoded" in str(told.value)
    else:
        assert str(told.value) == str(expected.value)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("first", ["full", "reduced"])
def test_the_full_resolution_of_a_pyramid_is_read(
    compression: str | None, first: str, tmp_path: Path, all_are_big: None
) -> None:
    full = Image.fromarray(RGB)
    pages = [full, full.resize((full.width // 2, full.height // 2)), full.resize((full.width // 4, full.height // 4))]
    if first == "reduced":
        pages.reverse()
    pages[0].save(tmp_path / "field.tif", save_all=True, append_images=pages[1:], compression=compression)
    with open_field(tmp_path / "field.tif") as field:
        assert (field.height, field.width) == RGB.shape[:2]
        assert np.array_equal(field.read(3, 5, 20, 30), RGB[3:23, 5:35])


PEAK = """
import resource, sys
from pathlib import Path
import torch
from cytopipe.screening.detectors import find_cells
from cytopipe.data.imaging.fields import open_field
from cytopipe.screening.segmenter_detector import SegmenterDetector
torch.set_num_threads(1)
detector = SegmenterDetector(Path(sys.argv[2]), torch.device("cpu"), scale=0.1)
with open_field(Path(sys.argv[1])) as field:
    count = sum(1 for _ in find_cells(field, detector, tile=128))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_field(tmp_path: Path, otsu_large: Path, draw_field: DrawField) -> None:
    """A field of 9,000 x 9,000 px takes 232 MB when decoded."""
    drawn = draw_field(300, 300, [(80, 80), (210, 190)])
    part = cv2.resize(drawn, (3000, 3000), interpolation=cv2.INTER_NEAREST)
    Image.fromarray(part).save(tmp_path / "small.bmp")
    row = np.tile(part, (1, 3, 1))
    with (tmp_path / "large.bmp").open("wb") as file:
        small = (tmp_path / "small.bmp").read_bytes()[:54]
        file.write(small[:18] + (9_000).to_bytes(4, "little") * 2 + small[26:])
        for _ in range(3):
            file.write(np.ascontiguousarray(row[::-1, :, ::-1]).tobytes())

    def measured(path: Path) -> tuple[int, int]:
        command = [sys.executable, "-c", PEAK, str(path), str(otsu_large)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        cells, peak = map(int, done.stdout.split())
        return cells, peak

    cells, small_peak = measured(tmp_path / "small.bmp")
    many, large_peak = measured(tmp_path / "large.bmp")
    assert (cells, many) == (2, 18)
    assert large_peak < small_peak + 100
