"""What a pixel means: deep images, alpha, channels and pages, colours, physical size; each with its exact values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from cytopipe.data.imaging.decode import read_png
from files_of_people import cell, save
from organized import Outcome, organized

COUNT = 8  # images of each class
SIDE = 24
Writer = Callable[[Path, int], object]


def grey(seed: int) -> np.ndarray:
    """A cell in grey, 24 x 24 uint8; no two seeds give the same."""
    green: np.ndarray = np.ascontiguousarray(cell(seed, SIDE)[..., 1])
    return green


def deep(bits: int) -> Callable[[int], np.ndarray]:
    """Cells of a camera of so many bits: 24 x 24 uint16 from 0 to its maximum."""

    def values(seed: int) -> np.ndarray:
        found: np.ndarray = grey(seed).astype(np.uint16) * ((2**bits - 1) // 255)
        found[1, :4] = 2**bits - 1
        return found

    return values


def taken(root: Path, caplog: pytest.LogCaptureFixture, write: Writer, suffix: str = ".tif", **options: Any) -> Outcome:
    """What organize makes of images that `write` writes, eight of each of two classes."""
    for label in ("a", "b"):
        (root / "cells" / label).mkdir(parents=True)
    for seed in range(2 * COUNT):
        write(root / "cells" / "ab"[seed % 2] / f"c{seed:03}{suffix}", seed)
    return organized(root / "cells", root / "work", caplog, options=options)


def pixels(found: Outcome, seed: int) -> np.ndarray:
    """The organized image of a seed, H x W x 3."""
    (row,) = (row for row in found.rows if row.id.endswith(f"c{seed:03}"))
    return read_png(found.folder / row.path)


def as_grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The rule that README and summary.json state: low becomes 0, high 255, rounded."""
    scaled = np.round((values.astype(float) - low) * 255 / (high - low)).clip(0, 255).astype(np.uint8)
    return np.repeat(scaled[..., None], 3, axis=2)


# Ranges: the kind of values, and the range that auto finds.

DEPTHS: Mapping[str, tuple[Callable[[int], np.ndarray], tuple[float, float]]] = {
    "9 bits": (deep(9), (0, 511)),
    "10 bits": (deep(10), (0, 1023)),
    "12 bits": (deep(12), (0, 4095)),
    "14 bits": (deep(14), (0, 16_383)),
    "16 bits": (deep(16), (0, 65_535)),
    "8 bits in 16": (lambda seed: grey(seed).astype(np.uint16), (0, 255)),
    "signed 16 bits": (lambda seed: deep(12)(seed).astype(np.int16), (0, 4095)),
    "unsigned 32 bits": (lambda seed: deep(12)(seed).astype(np.uint32), (0, 4095)),
    "signed 32 bits": (lambda seed: deep(12)(seed).astype(np.int32), (0, 4095)),
    "32 bits beyond 16": (lambda seed: deep(16)(seed).astype(np.uint32) * 2**16, (0, 2**32 - 1)),
    "fractions": (lambda seed: (deep(12)(seed) / 4095).astype(np.float32), (0, 1)),
    "half fractions": (lambda seed: (deep(9)(seed) / 511).astype(np.float16), (0, 1)),
    "double fractions": (lambda seed: deep(12)(seed) / 4095, (0, 1)),
    "0 to 255 as fractions": (lambda seed: grey(seed).astype(np.float32), (0, 255)),
    "64 bits": (lambda seed: deep(12)(seed).astype(np.uint64), (0, 4095)),
}


@pytest.mark.parametrize("kind", DEPTHS)
def test_one_range_is_found_for_all(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values, (low, high) = DEPTHS[kind]
    found = taken(tmp_path, caplog, lambda path, seed: tifffile.imwrite(path, values(seed)))
    assert found.refusal == ""
    assert found.summary["range"] == [low, high]
    assert f"{low:g} to {high:g} becomes 0 to 255 in all of them (datasets.mine.options.range: auto)" in found.log
    for seed in (0, 5):
        assert np.array_equal(pixels(found, seed), as_grey(values(seed), low, high))


def compressed(path: Path, seed: int) -> None:
    Image.fromarray(deep(12)(seed)).save(path, compression="tiff_lzw")


def big_endian(path: Path, seed: int) -> None:
    tifffile.imwrite(path, deep(12)(seed), byteorder=">")


def white_is_zero(path: Path, seed: int) -> None:
    tifffile.imwrite(path, 4095 - deep(12)(seed), photometric="miniswhite")


CONTAINERS: Mapping[str, tuple[str, Writer]] = {
    "png": (".png", lambda path, seed: Image.fromarray(deep(12)(seed)).save(path)),
    "lzw": (".tif", compressed),
    "deflate": (".tiff", lambda path, seed: tifffile.imwrite(path, deep(12)(seed), compression="zlib")),
    "big-endian": (".tif", big_endian),
    "bigtiff": (".tif", lambda path, seed: tifffile.imwrite(path, deep(12)(seed), bigtiff=True)),
    "tiles": (".tif", lambda path, seed: tifffile.imwrite(path, deep(12)(seed), tile=(16, 16))),
    "white is zero": (".tif", white_is_zero),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_file_that_holds_12_bits_changes_nothing(
    container: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suffix, write = CONTAINERS[container]
    found = taken(tmp_path, caplog, write, suffix)
    assert found.refusal == ""
    assert found.summary["range"] == [0, 4095]
    assert np.array_equal(pixels(found, 3), as_grey(deep(12)(3), 0, 4095))


def packed_12_bits(path: Path, seed: int) -> None:
    """A TIFF of 12 bits a pixel without gaps, as some cameras write it."""
    values = deep(12)(seed).reshape(-1, 2).astype(np.uint32)
    three = np.stack([values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255], axis=1)
    data = three.astype(np.uint8).tobytes()
    entries = [(256, 3, SIDE), (257, 3, SIDE), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 3, SIDE), (279, 4, len(data))]
    table = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in entries
    )
    header = b"II*\0" + (8 + len(data)).to_bytes(4, "little")
    path.write_bytes(header + data + len(entries).to_bytes(2, "little") + table + bytes(4))


def test_12_bits_without_gaps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, packed_12_bits)
    assert found.refusal == ""
    assert np.array_equal(pixels(found, 3), as_grey(deep(12)(3), 0, 4095))


COLOUR: Mapping[str, tuple[str, Writer]] = {
    "tiff": (".tif", lambda path, seed: tifffile.imwrite(path, rgb12(seed), photometric="rgb")),
    "planes": (
        ".tif",
        lambda path, seed: tifffile.imwrite(
            path, np.moveaxis(rgb12(seed), 2, 0).copy(), photometric="rgb", planarconfig="separate"
        ),
    ),
    "png": (".png", lambda path, seed: cv2.imwrite(str(path), rgb12(seed)[..., ::-1])),
}


def rgb12(seed: int) -> np.ndarray:
    return cell(seed, SIDE).astype(np.uint16) * 16 + 15


@pytest.mark.parametrize("container", COLOUR)
def test_deep_colours_keep_all_their_bits(container: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    suffix, write = COLOUR[container]
    found = taken(tmp_path, caplog, write, suffix)
    assert found.refusal == ""
    assert found.summary["range"] == [0, 4095]
    expected = np.round(rgb12(6) * (255 / 4095)).astype(np.uint8)
    assert np.array_equal(pixels(found, 6), expected)


def test_a_narrow_band_of_values_gets_its_own_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, lambda path, seed: tifffile.imwrite(path, grey(seed).astype(np.uint16) + 10_000))
    low, high = found.summary["range"]
    assert 10_000 <= low < high <= 10_255
    assert np.array_equal(pixels(found, 2), as_grey(grey(2).astype(np.uint16) + 10_000, low, high))


def test_a_hot_pixel_sets_no_range(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(path: Path, seed: int) -> None:
        values = deep(12)(seed)
        values[5, 5] = 65_535
        tifffile.imwrite(path, values)

    found = taken(tmp_path, caplog, write)
    assert found.summary["range"] == [0, 4095]
    assert pixels(found, 0)[5, 5].tolist() == [255, 255, 255]


def test_a_given_range_holds_and_full_is_that_of_16_bits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write: Writer = lambda path, seed: tifffile.imwrite(path, deep(12)(seed))  # noqa: E731  # one line of three
    given = taken(tmp_path / "given", caplog, write, range=[100, 4000])
    assert given.summary["range"] == [100, 4000]
    assert np.array_equal(pixels(given, 1), as_grey(deep(12)(1), 100, 4000))
    full = taken(tmp_path / "full", caplog, write, range="full")
    assert full.summary["range"] == [0, 65_535]
    assert np.array_equal(pixels(full, 1), as_grey(deep(12)(1), 0, 65_535))


def mixed(path: Path, seed: int) -> None:
    save(path, cell(seed)) if seed < 3 else tifffile.imwrite(path, deep(12)(seed))


def fractions_among_integers(path: Path, seed: int) -> None:
    tifffile.imwrite(path, deep(12)(seed).astype(np.float32) / 4095 if seed == 1 else deep(12)(seed))


def with_a_gap(path: Path, seed: int) -> None:
    values = deep(12)(seed).astype(np.float32)
    values[0, 0] = np.nan
    tifffile.imwrite(path, values)


def two_channels(path: Path, seed: int) -> None:
    tifffile.imwrite(path, cell(seed)[..., :2].copy(), photometric="minisblack", planarconfig="contig")


def five_channels(path: Path, seed: int) -> None:
    tifffile.imwrite(path, np.zeros((SIDE, SIDE, 5), np.uint8), photometric="minisblack", planarconfig="contig")


def imagej(path: Path, seed: int) -> None:
    channels = np.moveaxis(cell(seed), 2, 0).astype(np.uint16) * 16
    tifffile.imwrite(path, channels, imagej=True, metadata={"axes": "CYX"})


def imagej_one_page(path: Path, seed: int) -> None:
    """A stack of which the file lists one page, as ImageJ writes large ones."""
    channels = np.moveaxis(cell(seed), 2, 0).copy()
    text = "ImageJ=1.54\nimages=3\nchannels=3\nhyperstack=true\nmode=grayscale\n"
    tifffile.imwrite(path, channels[0], description=text, metadata=None)
    with path.open("ab") as file:
        file.write(channels[1:].tobytes())


def stack(path: Path, seed: int) -> None:
    tifffile.imwrite(path, np.stack([grey(seed)] * 5), imagej=True, metadata={"axes": "ZYX"})


def ome(path: Path, seed: int) -> None:
    tifffile.imwrite(path, np.stack([deep(12)(seed)] * 2), ome=True, metadata={"axes": "CYX"})


def pages(path: Path, seed: int) -> None:
    first, second = (Image.fromarray(cell(seed + 100 * page)) for page in range(2))
    first.save(path, save_all=True, append_images=[second])


REFUSED: Mapping[str, tuple[Writer, dict[str, Any], tuple[str, ...]]] = {
    "8 and 12 bits": (mixed, {}, ("3 have 8-bit values, first c000.tif", "13 have 16-bit values", "0 to 4095")),
    "fractions among integers": (fractions_among_integers, {}, ("1 have float values", "15 have 16-bit values")),
    "fractions in full": (
        lambda path, seed: tifffile.imwrite(path, (deep(12)(seed) / 4095).astype(np.float32)),
        {"range": "full"},
        ("16 images have float values, which have no full range", "set it to auto or to [low, high]"),
    ),
    "no number": (with_a_gap, {}, ("some values are no numbers (NaN or infinite)",)),
    "a range of other images": (
        lambda path, seed: tifffile.imwrite(path, deep(16)(seed)),
        {"range": [0, 4095]},
        ("lie outside the range 0 to 4095", "set options.range to auto"),
    ),
    "an empty range": (lambda path, seed: save(path, cell(seed)), {"range": [5, 5]}, ("must be larger",)),
    "two channels": (two_channels, {}, ("the file holds 2 channels", "options.channels: [0, 1] takes two as red")),
    "five channels": (five_channels, {}, ("the file holds 5 channels", "options.channels: [0, 1, 2]")),
    "pages of ImageJ": (imagej, {}, ("3 pages (ImageJ: 3 channels)", "options.channels: [0, 1, 2]", "options.page: 0")),
    "pages that are not listed": (imagej_one_page, {}, ("3 pages (ImageJ: 3 channels)", "options.channels")),
    "slices of ImageJ": (stack, {}, ("5 pages (ImageJ: 5 slices)", "options.page: 0")),
    "channels of OME": (ome, {}, ("2 pages (OME: 2 channels)", "options.channels: [0, 1]")),
    "pages": (pages, {}, ("the file holds 2 pages", "options.page: 0")),
    "no such channel": (imagej, {"channels": [0, 3]}, ("there is no page 3", "options.channels")),
    "no such page": (stack, {"page": 5}, ("there is no page 5: the file holds 5 pages", "correct options.page")),
    "no such band": (two_channels, {"channels": [2]}, ("there is no channel 2: the image has 2",)),
    "colours as channels": (pages, {"channels": [0, 1]}, ("pages are colour images, not channels", "options.page")),
    "too many channels": (imagej, {"channels": [0, 1, 2, 0]}, ("channels", "at most 3")),
    "lab": (
        lambda path, seed: Image.new("LAB", (SIDE, SIDE), (seed, 128, 128)).save(path),
        {},
        ("images of mode 'LAB' are not supported", "convert to 8-bit RGB"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_known_is_refused(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, options, said = REFUSED[kind]
    refusal = taken(tmp_path, caplog, write, **options).refusal
    for text in said:
        assert text in refusal


def rgb_of(*planes: np.ndarray) -> np.ndarray:
    return np.stack([*planes, *[np.zeros_like(planes[0])] * (3 - len(planes))], axis=2)


def scaled(values: np.ndarray) -> np.ndarray:
    return np.round(values.astype(float) * 255 / 4095).astype(np.uint8)


PICKED: Mapping[str, tuple[Writer, dict[str, Any], Callable[[int], np.ndarray]]] = {
    "two of two": (two_channels, {"channels": [0, 1]}, lambda seed: rgb_of(cell(seed)[..., 0], cell(seed)[..., 1])),
    "one of two": (two_channels, {"channels": [1]}, lambda seed: as_grey(cell(seed)[..., 1], 0, 255)),
    "three pages": (imagej, {"channels": [0, 1, 2]}, lambda seed: scaled(cell(seed).astype(np.uint16) * 16)),
    "in another order": (
        imagej,
        {"channels": [2, 0, 1]},
        lambda seed: scaled(cell(seed)[..., [2, 0, 1]].astype(np.uint16) * 16),
    ),
    "of one listed page": (imagej_one_page, {"channels": [0, 1, 2]}, cell),
    "a page of a stack": (stack, {"page": 4}, lambda seed: as_grey(grey(seed), 0, 255)),
    "a page of colours": (pages, {"page": 1}, lambda seed: cell(seed + 100)),
    "a channel of OME": (ome, {"channels": [1]}, lambda seed: as_grey(deep(12)(seed), 0, 4095)),
    "green": (
        lambda path, seed: save(path, cell(seed)),
        {"channels": [1]},
        lambda seed: as_grey(cell(seed)[..., 1], 0, 255),
    ),
}


@pytest.mark.parametrize("kind", PICKED)
def test_channels_and_pages_are_picked(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, options, expected = PICKED[kind]
    found = taken(tmp_path, caplog, write, **options)
    assert found.refusal == ""
    assert np.array_equal(pixels(found, 7), expected(7))
    for option, value in options.items():
        assert found.summary[option] == value


# Alpha.


def with_alpha(opacity: Callable[[np.ndarray], np.ndarray]) -> Writer:
    def write(path: Path, seed: int) -> None:
        save(path, np.dstack([cell(seed), opacity(np.full((SIDE, SIDE), 255, np.uint8))]))

    return write


def half(alpha: np.ndarray) -> np.ndarray:
    alpha[:, :12] = 0
    return alpha


def on_white(seed: int) -> np.ndarray:
    found = cell(seed)
    found[:, :12] = 255
    return found


ALPHA: Mapping[str, tuple[Writer, dict[str, Any], Callable[[int], np.ndarray], str]] = {
    "never set": (with_alpha(np.zeros_like), {}, cell, "alpha of 0 everywhere ignored"),
    "opaque": (with_alpha(np.copy), {}, cell, "alpha blended on white"),
    "blended": (with_alpha(half), {}, on_white, "alpha blended on white"),
    "dropped": (with_alpha(half), {"alpha": "drop"}, cell, "alpha dropped"),
}


@pytest.mark.parametrize("kind", ALPHA)
def test_alpha(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, options, expected, said = ALPHA[kind]
    found = taken(tmp_path, caplog, write, ".png", **options)
    assert found.summary["converted"] == {said: 2 * COUNT}
    assert np.array_equal(pixels(found, 4), expected(4))


# 8-bit data stays as it is, and colours that are not sRGB are said.


def test_8_bit_images_have_no_range(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, lambda path, seed: save(path, cell(seed)), ".png", range=[0, 200])
    assert np.array_equal(pixels(found, 4), cell(4))
    assert not {"range", "alpha", "channels", "page"} & set(found.summary)
    assert "no image has more than 8 bits, so that it has no effect" in found.log


def test_8_bit_images_stay_beside_those_that_fill_16(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(path: Path, seed: int) -> None:
        save(path, grey(seed)) if seed < 3 else tifffile.imwrite(path, deep(16)(seed))

    found = taken(tmp_path, caplog, write)
    assert found.summary["range"] == [0, 65_535]
    assert "3 images have 8 bits, first c000.tif: they are taken as scaled already" in found.log
    assert np.array_equal(pixels(found, 1), as_grey(grey(1), 0, 255))


def test_a_colour_profile_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def write(path: Path, seed: int) -> None:
        save(path, cell(seed), icc_profile=lab if seed < 2 else srgb)

    (note,) = taken(tmp_path, caplog, write, ".png").summary["converted"].items()
    assert note[0].startswith("colour profile '") and note[0].endswith("' not applied") and note[1] == 2


def test_cmyk_of_a_press_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, lambda path, seed: Image.fromarray(cell(seed)).convert("CMYK").save(path), ".jpg")
    assert found.summary["converted"] == {"CMYK to RGB": 2 * COUNT}
    assert np.abs(pixels(found, 3).astype(int) - cell(3)).mean() < 20  # lossy, but not inverted


# The side of a pixel.


def of_tiff(**options: Any) -> Writer:
    return lambda path, seed: tifffile.imwrite(path, grey(seed), **options)


OME = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
OBLONG = OME | {"PhysicalSizeY": 0.5}
NANOMETRES = OME | {"PhysicalSizeX": 250, "PhysicalSizeY": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}
SIZES: Mapping[str, tuple[Writer, dict[str, Any], float | None]] = {
    "ImageJ in um": (of_tiff(imagej=True, resolution=(4, 4), metadata={"unit": "um"}), {}, 0.25),
    "ImageJ in micron": (of_tiff(imagej=True, resolution=(4, 4), metadata={"unit": "micron"}), {}, 0.25),
    "ImageJ, escaped": (of_tiff(imagej=True, resolution=(4, 4), metadata={"unit": "\\u00B5m"}), {}, 0.25),
    "ImageJ in pixels": (of_tiff(imagej=True, resolution=(4, 4), metadata={"unit": "pixel"}), {}, None),
    "OME": (of_tiff(ome=True, metadata=OME), {}, 0.25),
    "OME in nm": (of_tiff(ome=True, metadata=NANOMETRES), {}, 0.25),
    "OME, not square": (of_tiff(ome=True, metadata=OBLONG), {}, None),
    "pixels per cm": (of_tiff(resolution=(20_000, 20_000), resolutionunit="CENTIMETER"), {}, 0.5),
    "pixels per inch": (of_tiff(resolution=(101_600, 101_600), resolutionunit="INCH"), {}, 0.25),
    "dots on paper": (of_tiff(resolution=(300, 300), resolutionunit="INCH"), {}, None),
    "no unit": (of_tiff(resolution=(4, 4), resolutionunit="NONE"), {}, None),
    "an option": (of_tiff(resolution=(20_000, 20_000), resolutionunit="CENTIMETER"), {"pixel_size_um": 0.3}, 0.3),
    "png": (lambda path, seed: save(path.with_suffix(".png"), cell(seed)), {}, None),
}


@pytest.mark.parametrize("kind", SIZES)
def test_the_side_of_a_pixel(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, options, expected = SIZES[kind]
    found = taken(tmp_path, caplog, write, **options)
    assert found.refusal == ""
    assert {row.pixel_size_um for row in found.rows} == {expected}
