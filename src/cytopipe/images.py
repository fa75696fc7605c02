"""Decode images of any kind to 8-bit RGB, and say what was done to them.

Truncated files are found by decoding them wholly: OpenCV returns None for them and PIL's `verify` passes them.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cytopipe.errors import CytopipeError

Image.MAX_IMAGE_PIXELS = 20_000 * 20_000  # larger ones are refused as decompression bombs
cv2.setNumThreads(0)  # OpenCV's thread pool deadlocks in forked loader workers

SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")


def read_rgb(path: Path) -> tuple[np.ndarray, str | None]:
    """Decode an image file.

    Returns:
        The image, H x W x 3 uint8 RGB, and how it was converted ("grey to RGB", "16-bit to 8-bit", "palette to
        RGB", "alpha blended on white", ...), or None where it was 8-bit RGB already. A 16-bit image keeps its
        absolute scale (value / 257), so that images stay comparable with each other.

    Raises:
        CytopipeError: for a missing, empty, truncated or unknown file, or one of several frames.
    """
    image = _open(path)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint=_REPLACE) from None
    if getattr(image, "n_frames", 1) > 1:
        raise CytopipeError(f"the file holds {getattr(image, 'n_frames', 0)} frames, not one image", where=path)
    image = ImageOps.exif_transpose(image) or image
    return _to_rgb(image, path)


_REPLACE = "replace the file, or set bad_images: skip for this dataset to leave such images out"


def _open(path: Path) -> Image.Image:
    try:
        if path.stat().st_size == 0:
            raise CytopipeError("the image is empty (0 bytes)", where=path, hint=_REPLACE)
        return Image.open(path)
    except FileNotFoundError:
        raise CytopipeError("no such image", where=path) from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise CytopipeError(f"the file cannot be read ({reason})", where=path, hint=_REPLACE) from None


def _to_rgb(image: Image.Image, path: Path) -> tuple[np.ndarray, str | None]:
    mode = image.mode
    if mode == "RGB":
        return np.asarray(image).copy(), None
    if mode.startswith("I;16") or mode == "I":
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise CytopipeError("values outside 16 bits", where=path)
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
    """PNG bytes of an H x W or H x W x 3 uint8 array, the same for the same array."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def read_png(path: Path) -> np.ndarray:
    """Read an image that a stage wrote: H x W x 3 RGB or H x W palette, uint8.

    Raises:
        CytopipeError: when it does not decode.
    """
    array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise CytopipeError("the image cannot be decoded", where=path, hint="rerun the stage that writes it")
    return array if array.ndim == 2 else cv2.cvtColor(array, cv2.COLOR_BGR2RGB)


def resize_rgb(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize H x W x C uint8 to size = (height, width); averages areas when shrinking, so nothing aliases."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height < image.shape[0] and width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
