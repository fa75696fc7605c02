"""Pictures inside the page, as data URIs: thumbnails of cells and figures of other stages."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.opening import opened

THUMBNAIL = 96  # longer side, pixels
SHOWN = 240  # longer side of a cell in the gallery of masks, pixels
PANEL = 720  # longer side of a panel of explanations, pixels
COLOURS = 64  # of a figure; lines and text need no more

_RERUN = "rerun the stage that writes it"


@dataclass(frozen=True)
class Picture:
    """A data URI, and the size of its image in pixels."""

    uri: str
    width: int
    height: int


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink an H x W x 3 image to at most `side` pixels on the longer side; smaller images are unchanged."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def photograph(image: np.ndarray, quality: int = 82) -> Picture:
    """Encode an H x W x 3 uint8 RGB image as JPEG; equal images give equal bytes."""
    return _encoded(Image.fromarray(image), "jpeg", quality=quality, optimize=True)


def thumbnail(path: Path, side: int = THUMBNAIL) -> Picture:
    """Read an image of a stage and encode it as a small JPEG.

    Raises:
        CytopipeError: if it cannot be decoded.
    """
    return photograph(shrink(read_png(path), side))


def drawing(path: Path) -> Picture:
    """Read a figure with few colours and encode it as a palette PNG, at about a third of its size.

    Raises:
        CytopipeError: if it cannot be decoded.
    """
    with opened(path, hint=_RERUN) as image:
        flat = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    return _encoded(flat, "png", optimize=True)


def panel(path: Path) -> Picture:
    """Read a figure that contains photographs and encode it as JPEG.

    Raises:
        CytopipeError: if it cannot be decoded.
    """
    return photograph(shrink(read_png(path), PANEL), quality=70)


def _encoded(image: Image.Image, kind: str, **options: object) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/{kind};base64,{data}", *image.size)


class Album:
    """Cache of thumbnails by dataset and id.

    Args:
        file: returns the path of an image, given dataset and id.
    """

    def __init__(self, file: Callable[[str, str], Path]) -> None:
        self._file = file
        self._made: dict[tuple[str, str], Picture] = {}

    def get(self, dataset: str, image: str) -> Picture:
        """The thumbnail of an image.

        Raises:
            CytopipeError: if the image cannot be decoded.
        """
        key = (dataset, image)
        if key not in self._made:
            self._made[key] = thumbnail(self._file(dataset, image))
        return self._made[key]
