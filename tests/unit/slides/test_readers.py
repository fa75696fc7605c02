"""Every reader gives the same pixels for the same slide, and one clear error for what is no slide."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import encode_png
from cytopipe.errors import CytopipeError
from cytopipe.slides.listing import slides_below
from cytopipe.slides.opening import is_slide, open_slide
from cytopipe.slides.view import View
from made_slides import reduced, write_aperio, write_ome_tiff, write_ome_zarr

Write = Callable[[Path, np.ndarray], Path]
WRITERS: dict[str, Write] = {
    "a.svs": write_aperio,
    "a.ome.tif": lambda path, image: write_ome_tiff(path, [image]),
    "a.ome.zarr": lambda path, image: write_ome_zarr(path, [image]),
    "five.zarr": lambda path, image: write_ome_zarr(path, [image], version="0.5"),
}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (520, 700, 3), np.uint8)


@pytest.mark.parametrize("name", WRITERS)
def test_a_slide_is_read_by_regions_of_its_levels(name: str, image: np.ndarray, tmp_path: Path) -> None:
    path = WRITERS[name](tmp_path / name, image)
    assert is_slide(path)
    with open_slide(path) as slide:
        assert [(level.height, level.width, level.downsample) for level in slide.levels] == [
            (520, 700, 1.0),
            (130, 175, 4.0),
        ]
        assert slide.mpp == pytest.approx(0.25) and slide.planes == 1
        assert np.array_equal(slide.read_region(0, 250, 130, 100, 300), image[250:350, 130:430])
        assert np.array_equal(slide.read_region(1, 20, 30, 40, 50), reduced(image, 4)[20:60, 30:80])
        assert np.array_equal(slide.read_region(0, 510, 690, 10, 10), image[510:, 690:])


@pytest.mark.parametrize("name", ["z.ome.tif", "z.zarr"])
def test_focal_planes_are_told_apart(name: str, image: np.ndarray, tmp_path: Path) -> None:
    write = write_ome_tiff if name.endswith("tif") else write_ome_zarr
    planes = [image, image[::-1], image[:, ::-1]]
    with open_slide(write(tmp_path / name, planes)) as slide:
        assert slide.planes == 3
        for number, plane in enumerate(planes):
            assert np.array_equal(slide.read_region(0, 10, 20, 30, 40, number), plane[10:40, 20:60])


def test_channels_and_deep_values_are_read_as_the_model_wants_them(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 4096, (3, 2, 300, 400), np.uint16)  # planes, channels
    path = tmp_path / "deep.ome.tif"
    tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZCYX"}, tile=(128, 128))
    with open_slide(path, Reading(range=(0, 4095), channels=(1,))) as slide:
        found = slide.read_region(0, 5, 6, 20, 30, 2)
        expected = np.rint(values[2, 1, 5:25, 6:36] * (255 / 4095))
        assert slide.planes == 3 and np.abs(found[..., 0] - expected).max() <= 1
        assert np.array_equal(found[..., 0], found[..., 2])
    with open_slide(path) as slide, pytest.raises(CytopipeError, match="2 channels"):
        slide.read_region(0, 0, 0, 10, 10)
    with open_slide(path, Reading(channels=(0,))) as slide, pytest.raises(CytopipeError, match="--range"):
        slide.read_region(0, 0, 0, 10, 10)


def test_a_flat_image_is_a_slide_of_one_level_where_it_is_asked_for(image: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "flat.png").write_bytes(encode_png(image))
    assert not is_slide(tmp_path / "flat.png")
    with open_slide(tmp_path / "flat.png") as slide:
        assert len(slide.levels) == 1 and np.array_equal(slide.read_region(0, 5, 6, 7, 8), image[5:12, 6:14])


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 2.5, 5.7, 0.6])
def test_a_pixel_is_the_same_in_every_region(factor: float, image: np.ndarray, tmp_path: Path) -> None:
    with open_slide(write_aperio(tmp_path / "a.svs", image)) as slide:
        view = View.reduced(slide, factor, slide.mpp)
        whole = view.read(0, 0, view.height, view.width).astype(int)
        part = view.read(17, 23, 40, 50)
        # OpenCV interpolates with 5 bits.
        assert np.abs(whole[17:57, 23:73] - part).max() <= (0 if isinstance(view.step, int) else 8)
        assert view.mpp == pytest.approx(0.25 * view.factor)
        assert view.level == (1 if factor >= 4 else 0)


def test_slides_of_a_folder_are_found(image: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    for name in ("b/x.svs", "b/c/y.ndpi", "b/note.txt"):
        (tmp_path / name).write_bytes(b"")
    write_ome_zarr(tmp_path / "b/z.zarr", [image])
    found = [path.relative_to(tmp_path).as_posix() for path in slides_below(tmp_path)]
    assert found == ["b/c/y.ndpi", "b/x.svs", "b/z.zarr"]


def refused(path: Path) -> str:
    """The message by which a slide is refused, when it is opened or read."""
    with pytest.raises(CytopipeError) as caught, open_slide(path) as slide:
        for number, level in enumerate(slide.levels):
            slide.read_region(number, 0, 0, level.height, level.width)
    assert caught.value.hint and str(path) in str(caught.value.where) and "(0)" not in caught.value.what
    return caught.value.what


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.svs", "a.ome.tif"])
def test_a_truncated_slide_is_refused(name: str, share: float, image: np.ndarray, tmp_path: Path) -> None:
    path = WRITERS[name](tmp_path / name, image)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path)


@pytest.mark.parametrize("name", ["four.zarr", "five.zarr"])
def test_a_zarr_without_a_level_that_it_lists_is_refused(name: str, image: np.ndarray, tmp_path: Path) -> None:
    version = "0.5" if name == "five.zarr" else "0.4"
    path = write_ome_zarr(tmp_path / name, [image], version=version)
    shutil.rmtree(path / "1")
    assert "level 1 of the pyramid is missing" in refused(path)


def test_a_damaged_chunk_is_refused(image: np.ndarray, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", [image])
    chunk = next(file for file in sorted((path / "0").rglob("*")) if file.is_file() and not file.name.startswith(".z"))
    chunk.write_bytes(b"nothing")
    assert "cannot be read" in refused(path)


def test_a_tiff_without_a_level_that_it_lists_is_refused(image: np.ndarray, tmp_path: Path) -> None:
    path = write_ome_tiff(tmp_path / "a.ome.tif", [image], factors=(1, 2, 4))
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags[330]
        place = tag.valueoffset
    content = bytearray(path.read_bytes())
    size = 8 if content[2] == 43 else 4
    content[place + size : place + 2 * size] = (len(content) + 1000).to_bytes(size, "little")
    path.write_bytes(content)
    refused(path)


def test_levels_out_of_order_are_refused(image: np.ndarray, tmp_path: Path) -> None:
    assert "no smaller version" in refused(write_ome_zarr(tmp_path / "a.zarr", [image], factors=(4, 1)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svs", b"no slide at all" * 100),
        ("a.ndpi", b"II*\0 and nothing"),
        ("a.mrxs", b"\0" * 1000),
        ("a.czi", b""),
        ("a.svs", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_what_is_no_slide_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_slide(tmp_path / name)
    assert "slide" in refused(tmp_path / name)


@pytest.mark.parametrize("text", ["{", "{}", '{"multiscales": []}', '{"multiscales": [{"datasets": []}]}'])
def test_a_folder_that_is_no_ome_zarr_is_refused(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    assert "no slide" in refused(folder)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(text)
    refused(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("axes", 5),
        ("axes", [{"type": "space"}] * 4),
        ("axes", [{"name": name, "unit": []} for name in "czyx"]),
        ("axes", ["y", "x"]),
        ("datasets", 3),
        ("datasets", ["0", "1"]),
        ("coordinateTransformations", "none"),
        ("coordinateTransformations", [{"type": "scale", "scale": [1.0]}]),
        ("coordinateTransformations", [{"type": "scale", "scale": ["a", "b", "c", "d"]}]),
    ],
)
def test_multiscales_that_say_something_else_are_refused(
    key: str, value: object, image: np.ndarray, tmp_path: Path
) -> None:
    file = write_ome_zarr(tmp_path / "a.zarr", [image]) / ".zattrs"
    values = json.loads(file.read_text())
    values["multiscales"][0][key] = value
    file.write_text(json.dumps(values))
    refused(file.parent)


def test_a_scale_in_a_file_of_its_own_is_no_known_scale(image: np.ndarray, tmp_path: Path) -> None:
    file = write_ome_zarr(tmp_path / "a.zarr", [image]) / ".zattrs"
    values = json.loads(file.read_text())
    values["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "path": "scale"}]
    file.write_text(json.dumps(values))
    with open_slide(file.parent) as slide:
        assert slide.mpp is None


def test_a_slide_in_one_huge_block_is_refused(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    for name, side in (("0", 50_000), ("1", 3_000_000)):
        group.create_array(name, shape=(3, 1, side, side), chunks=(1, 1, side, side), dtype=np.uint8)
    axes: list[Any] = [{"name": name} for name in "czyx"]
    for name, words in (("0", "blocks of 2.3 GiB"), ("1", "3000000 x 3000000 px")):
        group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": name}]}]
        assert words in refused(tmp_path / "a.zarr")


def test_a_slide_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no such slide"), open_slide(tmp_path / "a.svs"):
        pass
