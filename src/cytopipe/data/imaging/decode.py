"""Decode images of any kind to 8-bit RGB, and report how they were converted."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from cytopipe.core.params import FULL, Reading
from cytopipe.data.imaging.colours import deep_rgb, eight_bit_rgb
from cytopipe.data.imaging.depth import range_beside_8_bit, refuse_8_bit
from cytopipe.data.imaging.frames import select_frame
from cytopipe.data.imaging.native import PREPARED, read_native
from cytopipe.data.imaging.opening import opened, refuse_bombs
from cytopipe.data.imaging.pixel_size import PIXEL_SIZE
from cytopipe.errors import CytopipeError

cv2.setNumThreads(0)  # OpenCV's thread pool deadlocks in forked loader workers

AS_FULL = Reading(range=FULL)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image file.

    Attributes:
        rgb: H x W x 3 uint8.
        note: how it was converted ("grey to RGB", "16-bit to 8-bit", "alpha blended on white", ...), or None where it
            was 8-bit RGB already.
        turned: whether its EXIF orientation turned it.
        pixel_size_um: side of a pixel in micrometres, if the file says it.
    """

    rgb: np.ndarray
    note: str | None
    turned: bool = False
    pixel_size_um: float | None = None


def read_rgb(path: Path, reading: Reading = AS_FULL) -> tuple[np.ndarray, str | None]:
    """Decode an image file: H x W x 3 uint8 RGB, and how it was converted; as `read_image`."""
    decoded = read_image(path, reading)
    return decoded.rgb, decoded.note


def read_image(path: Path, reading: Reading = AS_FULL) -> Decoded:
    """Decode an image file.

    Args:
        path: the file.
        reading: how it is read. By default, values of 16 bits keep their absolute scale (value / 257).

    Raises:
        CytopipeError: for a missing, empty, truncated or unknown file; for several pages or channels of which `reading`
            picks none; for a deep image without a known range; and for more than MOST_PIXELS (before anything is
            decoded).
    """
    native = read_native(path, reading)
    if native.image is not None:
        rgb, conversion = eight_bit_rgb(native.image, path, reading.alpha)
        low_high: tuple[float, float] | None = reading.range
        if low_high and refuses_8_bit(reading) and not native.prepared:
            raise refuse_8_bit(low_high, path)
    else:
        assert native.values is not None  # one of the two is there
        low_high = reading.range or range_beside_8_bit(native.kind, float(native.values.max()), path)
        rgb, conversion = deep_rgb(native.values, low_high, reading.alpha, path)
        rgb = 255 - rgb if native.white_is_zero else rgb
    notes = (
        native.selected,
        f"{native.kind} to 8-bit" if native.kind != "8-bit" else None,
        conversion,
        *native.notes,
        "turned by its EXIF orientation" if native.turned else None,
    )
    note = ", ".join(dict.fromkeys(note for note in notes if note)) or None
    return Decoded(rgb, note, native.turned, native.pixel_size_um)


def read_values(path: Path) -> np.ndarray:
    """Decode a publisher's mask: H x W integers, which are palette indices, grey values or the luma of colours.

    Raises:
        CytopipeError: for a missing, empty, truncated or unknown file, or one of more than MOST_PIXELS.
    """
    with opened(path) as image:
        select_frame(image, path)
        refuse_bombs(image, path)
        keeps = image.mode in ("P", "L", "I") or image.mode.startswith("I;16")
        values = np.asarray(image if keeps else image.convert("L"))
        return values.astype(values.dtype.newbyteorder("="))


def refuses_8_bit(reading: Reading) -> bool:
    """Whether 8-bit images do not fit the range of a reading."""
    return reading.range not in (None, (0, 255)) and not reading.eight_bit


def encode_png(array: np.ndarray, prepared: bool = False, pixel_size_um: float | None = None) -> bytes:
    """PNG bytes of an H x W x 3 RGB uint8 array, the same for the same array.

    `prepared` marks an image whose range, channels or page were chosen already: it is read as it is by whatever model.
    `pixel_size_um` is noted where it is known.
    """
    buffer = io.BytesIO()
    info = PngImagePlugin.PngInfo()
    if prepared:
        info.add_text(PREPARED, "8-bit RGB")
    if pixel_size_um is not None:
        info.add_text(PIXEL_SIZE, f"{pixel_size_um:.6g}")
    Image.fromarray(array).save(buffer, format="PNG", compress_level=3, pnginfo=info)
    return buffer.getvalue()


def read_png(path: Path) -> np.ndarray:
    """Read an image that a stage wrote: H x W x 3 RGB uint8.

    Raises:
        CytopipeError: when it does not decode.
    """
    array = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if array is None:
        raise CytopipeError("the image cannot be decoded", where=path, hint="rerun the stage that writes it")
    result: np.ndarray = cv2.cvtColor(array, cv2.COLOR_BGR2RGB)
    return result


def resize_rgb(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize H x W x C uint8 to size = (height, width); averages areas when shrinking, so nothing aliases."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height < image.shape[0] and width < image.shape[1]
    result: np.ndarray = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return result
