from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.data.imaging.frames import select_frame
from cytopipe.data.imaging.opening import opened
from cytopipe.errors import CytopipeError


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8))


def reduced(full: Image.Image, factor: int) -> Image.Image:
    return full.resize((full.width // factor, full.height // factor), Image.Resampling.BOX)


def selected(path: Path, *pages: Image.Image) -> tuple[tuple[int, int], str | None]:
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with opened(path) as image:
        said = select_frame(image, path)
        return image.size, said


FULL = "full resolution of several pages (TIFF)"


def test_a_file_of_one_picture_is_that_picture(tmp_path: Path) -> None:
    assert selected(tmp_path / "a.tif", noise(9, 12)) == ((12, 9), None)


@pytest.mark.parametrize("order", [(1, 2, 4), (4, 1), (2, 4, 1)])
def test_the_page_that_all_others_reduce_is_the_image(order: tuple[int, ...], tmp_path: Path) -> None:
    full = noise(48, 64)
    assert selected(tmp_path / "a.tif", *(reduced(full, factor) for factor in order)) == ((64, 48), FULL)


@pytest.mark.parametrize(
    "pages",
    [
        [noise(48, 64), noise(48, 64)],  # of one size
        [noise(48, 64), noise(24, 32, 1)],  # of another picture
        [noise(48, 64), noise(24, 24)],  # of another shape
        [noise(48, 64), reduced(noise(48, 64), 2), noise(12, 16, 5)],
    ],
)
def test_pages_of_several_pictures_are_refused(pages: list[Image.Image], tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=rf"a\.tif: the file holds {len(pages)} pages"):
        selected(tmp_path / "a.tif", *pages)


def test_blank_pages_are_versions_of_each_other(tmp_path: Path) -> None:
    white = Image.new("L", (64, 48), 255)
    assert selected(tmp_path / "a.tif", white, reduced(white, 2)) == ((64, 48), FULL)
