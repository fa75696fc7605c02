"""Fields of view of any size, read region by region in constant memory, with the same pixels as `decode.read_rgb`.

A small field is decoded as a whole. Regions of a big uncompressed BMP or TIFF are read directly from the file; other
big files are decoded by libvips, which keeps large decoded images in a temporary file (in TMPDIR).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cytopipe.core.params import FULL, Reading
from cytopipe.data.imaging.channels import layers_of
from cytopipe.data.imaging.decode import AS_FULL, read_image, refuses_8_bit, resize_rgb
from cytopipe.data.imaging.depth import range_beside_8_bit, refuse_8_bit, refuse_outside
from cytopipe.data.imaging.frames import select_frame
from cytopipe.data.imaging.native import full_resolution, is_special
from cytopipe.data.imaging.opening import opened
from cytopipe.data.imaging.pixel_size import pixel_size_um
from cytopipe.errors import CytopipeError

WHOLE = 4096 * 4096  # pixels up to which a field is decoded as a whole: some 50 MB
STRIP = 64  # rows of a reduced field that are read at a time
Reader = Callable[[int, int, int, int], np.ndarray]  # top, left, height, width -> height x width x 3 uint8
_CHANNELS = {"RGB": [0, 1, 2], "BGR": [2, 1, 0], "BGRX": [2, 1, 0], "RGBX": [0, 1, 2], "L": [0, 0, 0]}
_SAMPLES = {"RGB": 3, "BGR": 3, "BGRX": 4, "RGBX": 4, "L": 1}  # bytes per pixel in the file
_BY_VIPS = ("RGB", "L", "RGBA", "LA", "I;16", "I;16B", "I;16L")  # modes of PIL


@dataclass(frozen=True)
class Field:
    """A field of view.

    Attributes:
        height, width: size in pixels.
        reader: reads regions that lie within the field.
        pixel_size_um: side of a pixel in micrometres, if the file says it.
    """

    height: int
    width: int
    reader: Reader
    pixel_size_um: float | None = None

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Read a region, height x width x 3 uint8 RGB; outside the field, its outermost pixels are repeated."""
        first, last = _within(top, top + height, self.height)
        start, stop = _within(left, left + width, self.width)
        inside = self.reader(first, start, last - first, stop - start)
        if inside.shape[:2] == (height, width):
            return inside
        down = np.clip(np.arange(top, top + height), first, last - 1) - first
        across = np.clip(np.arange(left, left + width), start, stop - 1) - start
        return inside[down][:, across]

    def shrunk(self, factor: int) -> np.ndarray:
        """The whole field, reduced by an integer factor by averaging, H x W x 3 uint8; it is read strip by strip."""
        height, width = max(1, self.height // factor), max(1, self.width // factor)
        strips = []
        for top in range(0, height, STRIP):
            rows = min(STRIP, height - top)
            strip = self.read(top * factor, 0, rows * factor, width * factor)
            strips.append(resize_rgb(strip, (rows, width)))
        return np.concatenate(strips)

    @classmethod
    def of(cls, image: np.ndarray) -> Field:
        """A field from an image in memory, H x W x 3 uint8 RGB."""

        def read(top: int, left: int, height: int, width: int) -> np.ndarray:
            return image[top : top + height, left : left + width]

        return cls(image.shape[0], image.shape[1], read)


def _within(start: int, stop: int, length: int) -> tuple[int, int]:
    """Clip a range to 0 to length; a range that lies entirely outside becomes the nearest pixel."""
    return min(max(start, 0), length - 1), max(min(stop, length), 1)


@contextmanager
def open_field(path: Path, reading: Reading = AS_FULL) -> Iterator[Field]:
    """Open an image file as a field.

    Big images in other modes than RGB and grey, with or without alpha (CMYK, palette), are decoded as a whole too, and
    so are files of which `reading` picks channels or a page.

    Raises:
        CytopipeError: as `decode.read_rgb`; for a damaged big file possibly only inside the `with` block, on reading.
    """
    if reading.channels is not None or reading.page is not None or _must_be_decoded(path):
        yield _whole(path, reading)
        return
    with opened(path) as image:
        select_frame(image, path)
        size, mode, page = image.size, image.mode, image.tell() if image.format == "TIFF" else 0
        strips = _strips(image)
        size_um = pixel_size_um(getattr(image, "tag_v2", {}), path)
    if size[0] * size[1] <= WHOLE or (strips is None and mode not in _BY_VIPS):
        yield _whole(path, reading)
    elif strips is not None:
        if refuses_8_bit(reading):
            raise refuse_8_bit(reading.range or FULL, path)
        yield replace(_from_file(path, size, strips), pixel_size_um=size_um)
    else:
        yield from _by_vips(path, page, reading, size_um)


def _whole(path: Path, reading: Reading) -> Field:
    decoded = read_image(path, reading)
    return replace(Field.of(decoded.rgb), pixel_size_um=decoded.pixel_size_um)


def _must_be_decoded(path: Path) -> bool:
    """Whether a TIFF's pages, channels or values need a whole decoding; deep colours alone do not."""
    if not is_special(path):
        return False
    layers = layers_of(path)
    return not layers.is_image or (layers.pages > 1 and full_resolution(path) is None)


@dataclass(frozen=True)
class _Strip:
    """A block of rows of an uncompressed image file; it starts with row `top`, or ends with it if stored upwards."""

    top: int
    rows: int
    offset: int
    stride: int
    layout: str
    upwards: bool


def _strips(image: Image.Image) -> list[_Strip] | None:
    """The strips of an uncompressed image that is stored row by row; None for other images."""
    strips = []
    for tile in getattr(image, "tile", []):
        codec, (left, top, right, bottom), offset, arguments = tile
        layout, stride, orientation = (*arguments, 0, 1)[:3] if isinstance(arguments, tuple) else (arguments, 0, 1)
        if codec != "raw" or layout not in _SAMPLES or (left, right) != (0, image.width):
            return None
        strips.append(_Strip(top, bottom - top, offset, stride or right * _SAMPLES[layout], layout, orientation == -1))
    turned = image.getexif().get(274, 1) != 1
    return None if turned else strips or None


def _from_file(path: Path, shape: tuple[int, int], strips: list[_Strip]) -> Field:
    width, height = shape
    size = path.stat().st_size
    if any(strip.offset + strip.stride * strip.rows > size for strip in strips):
        raise CytopipeError("the image cannot be decoded (the file is truncated)", where=path)

    def read(top: int, left: int, rows: int, columns: int) -> np.ndarray:
        region = np.empty((rows, columns, 3), np.uint8)
        for strip in strips:
            first, last = max(top, strip.top), min(top + rows, strip.top + strip.rows)
            if first >= last:
                continue
            # Mapped anew for each read: the pages of a long-lived map would count as memory once they were touched.
            mapped = np.memmap(path, np.uint8, "r", strip.offset, (strip.rows, strip.stride))
            lines = (mapped[::-1] if strip.upwards else mapped)[first - strip.top : last - strip.top]
            samples = _SAMPLES[strip.layout]
            pixels = lines[:, left * samples : (left + columns) * samples].reshape(last - first, columns, samples)
            region[first - top : last - top] = pixels[..., _CHANNELS[strip.layout]]
        return region

    return Field(height, width, read)


def _on_white(pixels: np.ndarray, blend: bool) -> np.ndarray:
    """H x W x 1 to 4 uint8 (grey or RGB, with or without alpha) -> H x W x 3 RGB, on white or without alpha."""
    bands = pixels.shape[2]
    grey = pixels[..., [0, 0, 0]] if bands < 3 else pixels[..., :3]
    if bands in (1, 3) or not blend:
        return grey
    image = Image.fromarray(np.dstack([grey, pixels[..., -1]]), "RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image))[..., :3]


def _by_vips(path: Path, page: int, reading: Reading, size_um: float | None) -> Iterator[Field]:
    import pyvips  # here, because libvips takes a while to load

    fault = pyvips.Error  # which a field that outlives the program could not look up
    try:
        which = {"page": page} if page else {}  # readers of other formats than TIFF do not all know pages
        image = pyvips.Image.new_from_file(str(path), access="random", fail_on="truncated", **which).autorot()
        with_alpha = image.bands in (2, 4)
        blend = with_alpha and reading.alpha == "blend" and image[image.bands - 1].max() > 0
        if image.format != "uchar":
            image = _scaled(image, reading, path)
        elif refuses_8_bit(reading):
            raise refuse_8_bit(reading.range or FULL, path)

        def read(top: int, left: int, height: int, width: int) -> np.ndarray:
            return _on_white(image.crop(left, top, width, height).numpy().reshape(height, width, -1), blend)

        yield Field(image.height, image.width, read, size_um)
    except fault as error:
        reason = re.sub(r"\s+", " ", str(error)).strip()
        raise CytopipeError(f"the image cannot be decoded ({reason})", where=path) from None


def _scaled(image: Any, reading: Reading, path: Path) -> Any:
    """A deep image of libvips with the range of `reading` as 0 to 255, as `read_rgb` scales it."""
    colours = image[: image.bands - 1] if image.bands in (2, 4) else image
    low, high = reading.range or range_beside_8_bit("16-bit", colours.max(), path)
    outside = ((colours < low) | (colours > high)).avg() / 255
    refuse_outside(outside, (colours.min(), colours.max()), (low, high), path)
    scaled = ((colours - low) * (255 / (high - low))).rint().cast("uchar")
    if colours.bands == image.bands:
        return scaled
    return scaled.bandjoin((image[image.bands - 1] * (255 / FULL[1])).rint().cast("uchar"))
