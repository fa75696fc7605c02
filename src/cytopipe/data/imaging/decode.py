"""Decode images of any kind to 8-bit RGB, and report how they were converted.

Truncated files are found by decoding them wholly with PIL: its `verify` passes truncated BMP and JPEG files, and
OpenCV returns None or, of a JPEG, half an image.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cytopipe.data.imaging.formats import FORMATS, LFS_HINT, is_lfs_pointer
from cytopipe.data.imaging.frames import select_frame
from cytopipe.errors import CytopipeError

# Limit for an image that is decoded whole, checked on its header first. Cameras give 5 to 50 megapixels, a cell has a
# hundredth of one; decoding an image at the limit takes 0.3 to 1.6 GB.
MOST_PIXELS = 100_000_000
cv2.setNumThreads(0)  # OpenCV's thread pool deadlocks in forked loader workers

_REPLACE = "replace the file, or set bad_images: skip for this dataset to leave such images out"


def read_rgb(path: Path) -> tuple[np.ndarray, str | None]:
    """Decode an image file.

    Returns:
        The image, H x W x 3 uint8 RGB, and how it was converted ("grey to RGB", "16-bit to 8-bit", "palette to
        RGB", "alpha blended on white", "turned by its EXIF orientation", ...), or None where it was 8-bit RGB
        already. A 16-bit image keeps its absolute scale (value / 257; of colour images the high byte), so that
        images stay comparable with each other.

    Raises:
        CytopipeError: for a missing, empty, truncated or unknown file, for pages of several images, and for more than
            MOST_PIXELS (before anything is decoded).
    """
    with opened(path) as image:
        selected = select_frame(image, path)
        _refuse_bombs(image, path)
        # Both are gone once the image is decoded.
        is_deep = re.search(r";16[BLN]", str(getattr(image, "tile", "")))
        is_turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
        rgb, conversion = _to_rgb(ImageOps.exif_transpose(image), path)
    notes = (
        selected,
        "16-bit to 8-bit" if is_deep else None,
        conversion,
        "turned by its EXIF orientation" if is_turned else None,
    )
    return rgb, ", ".join(dict.fromkeys(note for note in notes if note)) or None


def read_values(path: Path) -> np.ndarray:
    """Decode a publisher's mask: H x W integers, which are palette indices, grey values or the luma of colours.

    Raises:
        CytopipeError: for a missing, empty, truncated or unknown file, or one of more than MOST_PIXELS.
    """
    with opened(path) as image:
        select_frame(image, path)
        _refuse_bombs(image, path)
        return np.asarray(image if image.mode in ("P", "L", "I;16", "I") else image.convert("L"))


@contextmanager
def opened(path: Path, hint: str = _REPLACE) -> Iterator[Image.Image]:
    """Open an image file; every fault, here or while it is decoded in the block, becomes a CytopipeError.

    Only the header is read, and no size is refused: check the size before the whole of an untrusted file is decoded.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # a pipe would be waited for
            raise CytopipeError("this is no file", where=path)
        if status.st_size == 0:
            raise CytopipeError("the image is empty (0 bytes)", where=path, hint=hint)
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except CytopipeError:
        raise
    except FileNotFoundError:
        raise CytopipeError("no such image", where=path) from None
    except PermissionError:
        raise CytopipeError("there is no permission to read it", where=path) from None
    except UnidentifiedImageError:
        if is_lfs_pointer(path):
            raise CytopipeError("this is a pointer of Git LFS, not the image", where=path, hint=LFS_HINT) from None
        raise CytopipeError("the file is not an image", where=path, hint=hint) from None
    except Exception as error:  # a damaged header makes PIL's readers raise TypeError, struct.error and what not
        raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint=hint) from None


def _refuse_bombs(image: Image.Image, path: Path) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise CytopipeError(
            f"the image has {image.width:,} x {image.height:,} pixels; at most {MOST_PIXELS:,} are decoded at once "
            "(`cytopipe screen` reads larger fields by tiles)",
            where=path,
        )


def _to_rgb(image: Image.Image, path: Path) -> tuple[np.ndarray, str | None]:
    mode = image.mode
    if mode == "RGB":
        return np.asarray(image).copy(), None
    if mode.startswith("I;16") or mode == "I":
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise CytopipeError("values outside 16 bits", where=path, hint="convert to 8-bit RGB")
        grey = np.round(values / 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2), "16-bit to 8-bit"
    if mode in ("RGBA", "LA", "PA") or (mode == "P" and "transparency" in image.info):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.asarray(Image.alpha_composite(white, rgba).convert("RGB")).copy(), "alpha blended on white"
    if mode in ("L", "1", "P", "CMYK", "YCbCr"):
        name = {"L": "grey", "1": "1-bit", "P": "palette"}.get(mode, mode)
        return np.asarray(image.convert("RGB")).copy(), f"{name} to RGB"
    raise CytopipeError(f"images of mode '{mode}' are not supported", where=path, hint="convert to 8-bit RGB")


def encode_png(array: np.ndarray) -> bytes:
    """PNG bytes of an H x W x 3 RGB uint8 array, the same for the same array."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=3)
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
