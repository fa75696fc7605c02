"""Slides by OpenSlide: Aperio SVS, Hamamatsu NDPI, 3DHISTECH MRXS, Leica, Ventana, Philips, Zeiss, tiled TIFF, ..."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openslide

from cytopipe.slides.slide import Level, damaged, levels_of


class OpenSlideSlide:
    """A slide that OpenSlide reads; transparent pixels, which the scanner left out, are white.

    See `Slide`. OpenSlide gives one focal plane of those that some formats hold.

    Args:
        path: the slide.
        mpp: micrometres of a pixel where OpenSlide does not know them.

    Raises:
        CytopipeError: the slide cannot be opened.
    """

    planes = 1

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self.path = path
        try:
            self._slide = openslide.OpenSlide(path)
        except (openslide.OpenSlideError, OSError) as error:
            raise damaged(path, error) from None
        self.levels: Sequence[Level] = levels_of(
            ((height, width) for width, height in self._slide.level_dimensions), path
        )
        self.mpp = _mpp_of(self._slide.properties) or mpp

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        downsample = self._slide.level_downsamples[level]
        corner = round(left * downsample), round(top * downsample)
        try:
            image = np.asarray(self._slide.read_region(corner, level, (width, height)))
        except (openslide.OpenSlideError, OSError) as error:
            raise damaged(self.path, error) from None
        return on_white(image)

    def close(self) -> None:
        """See `Slide.close`."""
        self._slide.close()


def on_white(image: np.ndarray) -> np.ndarray:
    """H x W x 4 uint8 RGBA -> H x W x 3 RGB on white."""
    alpha, colours = image[..., 3], image[..., :3]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(colours)
    opaque = alpha[..., None].astype(np.float32) / 255
    return np.rint(colours * opaque + 255 * (1 - opaque)).astype(np.uint8)


def _mpp_of(properties: object) -> float | None:
    found = []
    for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y):
        try:
            found.append(float(properties[name]))  # type: ignore[index]
        except (KeyError, ValueError):
            return None
    across, down = found
    if not all(math.isfinite(side) and side > 0 for side in found) or abs(across - down) > 0.02 * across:
        return None
    return across
