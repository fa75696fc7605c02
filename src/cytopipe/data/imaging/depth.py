"""Images of more than 8 bits: what their values are, and how a stated range of them becomes 0 to 255.

PIL gives the high byte of 16-bit colours, and of some TIFFs noise; their values come from libvips or tifffile.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from cytopipe.core.params import FULL
from cytopipe.data.imaging.channels import page_values
from cytopipe.errors import CytopipeError

Kind = Literal["8-bit", "16-bit", "32-bit", "float"]
LEAST_OF_FULL = 16_384  # a brightest value from which an image uses 15 or 16 bits, more than cameras that do not
MOST_OUTSIDE = 0.5  # share of an image's values that may lie outside the range


def kind_of(image: Image.Image, path: Path) -> Kind:
    """The kind of an opened image's values, by its header."""
    if image.mode == "F":
        return "float"
    if image.mode == "I":
        return "32-bit" if ";32" in str(getattr(image, "tile", "")) else "16-bit"
    if image.mode.startswith("I;16") or re.search(r";16[BLN]", str(getattr(image, "tile", ""))):
        return "16-bit"
    if image.format == "PPM" and image.mode == "RGB" and _ppm_maximum(image) > 255:
        return "16-bit"
    return "16-bit" if image.format == "JPEG2000" and _jp2_bits(path) > 8 else "8-bit"


def kind_of_values(values: np.ndarray) -> Kind:
    """The kind of values that are decoded."""
    if values.dtype.kind == "f":
        return "float"
    return "8-bit" if values.dtype == np.uint8 else "16-bit" if values.dtype.itemsize <= 2 else "32-bit"


def deep_values(image: Image.Image, path: Path, tile: str) -> np.ndarray:
    """All values of an opened image whose kind is not "8-bit": H x W, or H x W x 2 to 4 (grey or RGB, alpha last).

    Args:
        image: opened by PIL.
        path: its file.
        tile: what PIL said of its storage before it was decoded.

    Raises:
        CytopipeError: the values cannot be read, or are not finite numbers.
    """
    maximum = _ppm_maximum(image) if image.format == "PPM" else 0
    image.load()  # whatever reads the values: a file that is cut short is found by PIL
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if values.dtype == np.int32 and ";32N" in tile and _sample_format(image) == 1:
            values = values.view(np.uint32)  # PIL knows no unsigned ones
        values = values.astype(values.dtype.newbyteorder("="))
    elif image.format in ("PPM", "JPEG2000"):
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if found is None or found.ndim != 3:
            raise CytopipeError("the image cannot be decoded", where=path, hint="convert it to PNG or TIFF")
        values = np.ascontiguousarray(found[..., [2, 1, 0, *range(3, found.shape[2])]])
        if image.format == "PPM":
            values = np.round(values * (FULL[1] / maximum)).astype(np.uint16)
    else:
        values = page_values(path, 0)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise CytopipeError(
            "some values are no numbers (NaN or infinite)", where=path, hint="replace them where the image was made"
        )
    return values


def to_8_bit(values: np.ndarray, low_high: tuple[float, float], path: Path) -> np.ndarray:
    """Values of any kind -> uint8: those of the range become 0 to 255, rounded; those outside it 0 or 255.

    Raises:
        CytopipeError: more than MOST_OUTSIDE of them lie outside the range, which then is that of other images.
    """
    low, high = low_high
    outside = float(((values < low) | (values > high)).mean())
    refuse_outside(outside, (float(values.min()), float(values.max())), low_high, path)
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.round(scaled.clip(0, 255)).astype(np.uint8)


def refuse_outside(outside: float, there: tuple[float, float], low_high: tuple[float, float], path: Path) -> None:
    """Refuse an image most of whose values lie outside the range.

    Args:
        outside: their share.
        there: smallest and largest value.
        low_high: the range.
        path: the image.

    Raises:
        CytopipeError: they are more than MOST_OUTSIDE.
    """
    if outside > MOST_OUTSIDE:
        raise CytopipeError(
            f"{outside:.0%} of its values, which are {there[0]:g} to {there[1]:g}, lie outside the range "
            f"{low_high[0]:g} to {low_high[1]:g} of the other images",
            where=path,
            hint="set options.range to auto or to [low, high]; a model needs images of the range of its training",
        )


def range_beside_8_bit(kind: Kind, most: float, path: Path) -> tuple[float, float]:
    """The range of a deep image where a model knows 8-bit images alone: that of all 16 bits, if the image uses them.

    Args:
        kind: of the image's values.
        most: the largest of them.
        path: the file.

    Raises:
        CytopipeError: its values may be those of a camera of 9 to 14 bits, or have no usual range.
    """
    if kind == "16-bit" and LEAST_OF_FULL <= most <= FULL[1]:
        return FULL
    raise CytopipeError(
        f"the image has {kind} values up to {most:g}, and the model was trained on 8-bit images: which values are "
        "black and white is not known; --range LOW,HIGH says it (--range full: 0 to 65535)",
        where=path,
        hint="or convert it to 8 bits as the images of the training were",
    )


def refuse_8_bit(low_high: tuple[float, float], path: Path) -> CytopipeError:
    """The error for an 8-bit image where deep ones are expected."""
    return CytopipeError(
        f"the image has 8 bits, and the model was trained on values {low_high[0]:g} to {low_high[1]:g} of deeper ones: "
        "how it was made of such values is not known; --range 0,255 says that this range became 0 to 255",
        where=path,
        hint="or give the camera's own file",
    )


def _sample_format(image: Image.Image) -> int:
    found = getattr(image, "tag_v2", {}).get(339, 1)
    return int(found[0] if isinstance(found, tuple) else found)


def _ppm_maximum(image: Image.Image) -> int:
    """The value that stands for white, by the file's header."""
    tile = getattr(image, "tile", ())
    arguments = tile[0][3] if tile else ()
    return int(arguments[1]) if isinstance(arguments, tuple) and len(arguments) > 1 else 255


def _jp2_bits(path: Path) -> int:
    """Bits of a channel, by the header box; 8 where there is none."""
    with path.open("rb") as file:
        start = file.read(4096)
    place = start.find(b"ihdr")
    return (start[place + 14] & 0x7F) + 1 if 0 <= place < len(start) - 14 and start[place + 14] != 255 else 8
