"""Pictures inside the page: thumbnails of cells, figures of other stages, all as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cytopipe.imaging.decode import opened, read_png

THUMBNAIL = 96  # longer side, pixels
SHOWN = 240  # of a cell in the gallery of masks
PANEL = 720  # width of a panel of explanations
COLOURS = 64  # of a figure: lines and letters need no more

_RERUN = "rerun the stage that writes it"


@dataclass(frozen=True)
class Picture:
    """A data URI and the size of its image in pixels."""

    uri: str
    width: int
    height: int


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """An H x W x 3 image whose longer side has at most `side` pixels; small ones stay as they are."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def photograph(image: np.ndarray, quality: int = 82) -> Picture:
    """An H x W x 3 uint8 RGB image as JPEG, the same bytes for the same image."""
    return _encoded(Image.fromarray(image), "jpeg", quality=quality, optimize=True)


def thumbnail(path: Path, side: int = THUMBNAIL) -> Picture:
    """A small JPEG of an image that a stage wrote.

    Raises:
        CytopipeError: when it does not decode.
    """
    return photograph(shrink(read_png(path), side))


def drawing(path: Path) -> Picture:
    """A figure with few colours, as PNG with a palette: a third of its size.

    Raises:
        CytopipeError: when it does not decode.
    """
    with opened(path, hint=_RERUN) as image:
        flat = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    return _encoded(flat, "png", optimize=True)


def panel(path: Path) -> Picture:
    """A figure that holds photographs, as JPEG.

    Raises:
        CytopipeError: when it does not decode.
    """
    return photograph(shrink(read_png(path), PANEL), quality=70)


def _encoded(image: Image.Image, kind: str, **options: object) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/{kind};base64,{data}", *image.size)


class Album:
    """Thumbnails by dataset and id, each made once.

    Args:
        file: where the image of (dataset, id) lies.
    """

    def __init__(self, file: Callable[[str, str], Path]) -> None:
        self._file = file
        self._made: dict[tuple[str, str], Picture] = {}

    def get(self, dataset: str, image: str) -> Picture:
        """The thumbnail of an image.

        Raises:
            CytopipeError: when the image does not decode.
        """
        key = (dataset, image)
        if key not in self._made:
            self._made[key] = thumbnail(self._file(dataset, image))
        return self._made[key]
