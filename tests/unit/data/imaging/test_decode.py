from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.core.params import Reading
from cytopipe.data.imaging import opening
from cytopipe.data.imaging.decode import encode_png, read_png, read_rgb, read_values, resize_rgb
from cytopipe.errors import CytopipeError

FORMATS = {"png": "PNG", "bmp": "BMP", "jpg": "JPEG", "tif": "TIFF", "webp": "WEBP"}
HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)


def encoded(suffix: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, FORMATS[suffix])
    return buffer.getvalue()


def verify(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.verify()
    except Exception:
        return False
    return True


@pytest.fixture(params=["png", "bmp", "jpg"])
def truncated(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    data = encoded(request.param)
    path = tmp_path / f"cell.{request.param}"
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


# Trap 4: what the libraries make of damaged files.


def test_opencv_returns_none_or_half_an_image_without_raising(truncated: Path) -> None:
    array = cv2.imread(str(truncated))
    if truncated.suffix == ".jpg":
        assert array is not None and np.ptp(array[-8:]) == 0  # the part that is missing is grey
    else:
        assert array is None


def test_pil_verify_passes_truncated_bmp_and_jpeg(truncated: Path) -> None:
    assert verify(truncated) == (truncated.suffix != ".png")


@pytest.mark.parametrize("content", [b"", HTML], ids=["empty", "html"])
def test_opencv_returns_none_for_files_that_are_no_images(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(content)
    assert cv2.imread(str(tmp_path / "cell.png")) is None


# What read_rgb makes of them.


def test_truncated_images_are_refused_by_name(truncated: Path) -> None:
    with pytest.raises(
        CytopipeError, match=r"cannot be decoded .*\n  -> replace the file, or set bad_images: skip"
    ) as e:
        read_rgb(truncated)
    assert e.value.where == truncated


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, about damaged TIFF tags
@pytest.mark.parametrize("suffix", FORMATS)
def test_no_truncation_gives_other_pixels_or_another_error(suffix: str, tmp_path: Path) -> None:
    data = encoded(suffix)
    path = tmp_path / f"cell.{suffix}"
    path.write_bytes(data)
    whole, conversion = read_rgb(path)
    assert conversion is None
    refused = 0
    lengths = [*range(0, 120, 7), *range(120, len(data), max(1, len(data) // 40)), len(data) - 1]
    for length in lengths:
        path.write_bytes(data[:length])
        try:
            assert np.array_equal(read_rgb(path)[0], whole)  # no pixel is missing, only a trailer
        except CytopipeError:
            refused += 1
    assert refused >= len(lengths) - 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_headers_raise_nothing_but_our_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for suffix in FORMATS:
        data = encoded(suffix)
        path = tmp_path / f"cell.{suffix}"
        for _ in range(60):
            damaged = bytearray(data)
            for position in rng.integers(0, 60, 3):
                damaged[position] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                read_rgb(path)
            except CytopipeError as error:
                refused += 1
                assert error.where == path
    assert refused > 60


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "the image is empty"), (HTML, "the file is not an image")], ids=["empty", "html"]
)
def test_files_that_are_no_images_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(content)
    with pytest.raises(CytopipeError, match=rf"cell\.png: {message}"):
        read_rgb(tmp_path / "cell.png")


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"none\.png: no such image"):
        read_rgb(tmp_path / "none.png")


def test_lossless_formats_keep_every_pixel(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "tif"):
        (tmp_path / f"cell.{suffix}").write_bytes(encoded(suffix))
        assert np.array_equal(read_rgb(tmp_path / f"cell.{suffix}")[0], picture())


def save(path: Path, values: object, mode: str | None = None, **options: Any) -> Path:
    image = Image.fromarray(np.asarray(values))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_grey_images_become_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image, conversion = read_rgb(save(tmp_path / "grey.png", grey))
    assert conversion == "grey to RGB"
    assert np.array_equal(image, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_keeps_its_absolute_scale(suffix: str, tmp_path: Path) -> None:
    values = np.array([[0, 257, 65_535], [32_896, 128, 129]], np.uint16)
    image, conversion = read_rgb(save(tmp_path / f"deep.{suffix}", values))
    assert conversion == "16-bit to 8-bit"
    assert image[..., 0].tolist() == [[0, 1, 255], [128, 0, 1]]
    assert image.shape == (2, 3, 3)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_colour_is_scaled_as_grey_and_said(suffix: str, tmp_path: Path) -> None:
    bgr = np.array([[[65_535, 256 * 7, 0], [511, 32_768, 256 * 200]]], np.uint16)
    cv2.imwrite(str(tmp_path / f"deep.{suffix}"), bgr)
    image, conversion = read_rgb(tmp_path / f"deep.{suffix}")
    assert conversion == "16-bit to 8-bit"
    assert image.tolist() == [[[0, 7, 255], [199, 128, 2]]]


def test_alpha_is_blended_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    image, conversion = read_rgb(save(tmp_path / "alpha.png", rgba))
    assert conversion == "alpha blended on white"
    assert image.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_16_bit_colour_with_alpha_names_both_conversions(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "both.png"), np.full((2, 2, 4), 65_535, np.uint16))
    assert read_rgb(tmp_path / "both.png")[1] == "16-bit to 8-bit, alpha blended on white"


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([9, 8, 7, 200, 100, 50])
    image.save(tmp_path / "palette.png")
    assert read_rgb(tmp_path / "palette.png")[1] == "palette to RGB"
    assert read_rgb(tmp_path / "palette.png")[0].tolist() == [[[9, 8, 7], [200, 100, 50]]]


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([9, 8, 7, 200, 100, 50])
    image.save(tmp_path / "palette.png", transparency=0)
    assert read_rgb(tmp_path / "palette.png")[1] == "alpha blended on white"
    assert read_rgb(tmp_path / "palette.png")[0].tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_1_bit_images_are_black_and_white(tmp_path: Path) -> None:
    image, conversion = read_rgb(save(tmp_path / "bit.png", np.array([[0, 255]], np.uint8), "1"))
    assert (image[..., 0].tolist(), conversion) == ([[0, 255]], "1-bit to RGB")


def test_float_images_need_a_range(tmp_path: Path) -> None:
    path = save(tmp_path / "float.tif", np.array([[0, 0.5], [1, 0.1]], np.float32))
    with pytest.raises(CytopipeError, match=r"the image has float values up to 1, and the model .*--range LOW"):
        read_rgb(path, Reading())
    image, conversion = read_rgb(path, Reading(range=(0, 1)))
    assert (image[..., 0].tolist(), conversion) == ([[0, 128], [255, 26]], "float to 8-bit")


def test_stacks_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(picture()) for _ in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(CytopipeError, match=r"stack\.tif: the file holds 3 pages"):
        read_rgb(tmp_path / "stack.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_is_applied_and_said(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    half = np.zeros((16, 32, 3), np.uint8)
    half[8:] = 255  # the lower half is white, which a quarter turn brings to the left
    Image.fromarray(half).save(tmp_path / f"turned.{suffix}", exif=exif)
    image, conversion = read_rgb(tmp_path / f"turned.{suffix}")
    assert conversion == "turned by its EXIF orientation"
    assert np.array_equal(image, np.rot90(half, -1))


# Masks, stored images and sizes.


def test_values_of_masks_are_indices_grey_levels_or_luma(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2]], np.uint8)
    palette = Image.fromarray(values)
    palette.putpalette([0, 0, 0, 9, 9, 9, 255, 0, 0])
    palette.save(tmp_path / "palette.png")
    assert read_values(tmp_path / "palette.png").tolist() == [[0, 1, 2]]
    assert read_values(save(tmp_path / "grey.bmp", values)).tolist() == [[0, 1, 2]]
    assert read_values(save(tmp_path / "deep.png", values.astype(np.uint16) * 300)).tolist() == [[0, 300, 600]]
    colours = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert read_values(save(tmp_path / "colour.png", colours)).tolist() == [[0, 255]]
    assert read_values(save(tmp_path / "bit.png", colours[..., 0], "1")).tolist() == [[0, 255]]


def test_a_truncated_mask_is_refused(truncated: Path) -> None:
    with pytest.raises(CytopipeError, match="cannot be decoded"):
        read_values(truncated)


def test_stored_images_come_back_as_they_were(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert encode_png(image) == encode_png(image.copy())
    (tmp_path / "cell.png").write_bytes(encode_png(image))
    assert np.array_equal(read_png(tmp_path / "cell.png"), image)
    (tmp_path / "cell.png").write_bytes(encode_png(image)[:-60])
    with pytest.raises(CytopipeError, match="rerun the stage that writes it"):
        read_png(tmp_path / "cell.png")


def test_shrinking_averages_areas() -> None:
    stripes = np.zeros((4, 4, 3), np.uint8)
    stripes[:, ::2] = 200  # a sampler would see all or nothing
    assert resize_rgb(stripes, (2, 2)).tolist() == np.full((2, 2, 3), 100).tolist()


def test_an_image_of_the_right_size_is_left_alone() -> None:
    image = picture()
    assert resize_rgb(image, image.shape[:2]) is image
    assert resize_rgb(image, (96, 100)).shape == (96, 100, 3)


def test_the_header_alone_decides_about_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (12, 10)).save(path)
    monkeypatch.setattr(opening, "MOST_PIXELS", 120)
    assert read_rgb(path)[0].shape == (10, 12, 3)
    monkeypatch.setattr(opening, "MOST_PIXELS", 119)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(CytopipeError, match=r"12 x 10 pixels; at most 119 .*`cytopipe screen`"):
        read_rgb(path)
