"""From an image of any shape to a square, and back: the one geometry of tensors, predictions, screening and export.

`stretch` changes the aspect ratio, `pad` keeps it and makes the longer side fit, `scale` keeps the size of things.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.core.params import Fit, Scale
from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.masks import BACKGROUND, resize_mask
from cytopipe.data.imaging.opening import MOST_PIXELS
from cytopipe.errors import CytopipeError


@dataclass(frozen=True)
class Measured:
    """An image, H x W x 3 uint8, and the micrometres of one of its pixels; None if they are not known."""

    pixels: np.ndarray
    pixel_size_um: float | None


@dataclass(frozen=True)
class Placement:
    """Where an image lies in its square.

    Attributes:
        side: of the square, pixels.
        height, width: of the scaled image, pixels of the square.
        top, left: its corner in the square; negative where the image is cropped.
    """

    side: int
    height: int
    width: int
    top: int
    left: int

    @property
    def fills(self) -> bool:
        """Whether square and image are the same: nothing is padded, nothing cropped."""
        return (self.height, self.width, self.top, self.left) == (self.side, self.side, 0, 0)

    @property
    def crops(self) -> bool:
        """Whether part of the image is outside of the square."""
        return self.top < 0 or self.left < 0

    def rgb(self, image: np.ndarray) -> np.ndarray:
        """The square of an H x W x 3 uint8 image, side x side x 3; padded with the median colour of its outermost
        pixels.
        """
        scaled = resize_rgb(image, (self.height, self.width))
        return scaled if self.fills else self._paste(scaled, border_colour(image))

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The square of an H x W palette mask, side x side uint8; padded with background."""
        scaled = resize_mask(mask, (self.height, self.width))
        return scaled if self.fills else self._paste(scaled, np.uint8(BACKGROUND))

    def back(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Values of the square over the whole image: what was padded is left out, what was cropped is 0.

        Args:
            values: S x S, one value for each cell of a grid over the square; S need not be `side`.
            size: height and width of the result, such as those of the image.
        """
        height, width = size
        if self.fills:
            whole: np.ndarray = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
            return whole
        grid = len(values) / self.side
        down, across = self.height / height, self.width / width
        # Pixel centres are at a half, as in cv2.resize.
        matrix = np.array(
            [
                [grid * across, 0, grid * (self.left + across / 2) - 0.5],
                [0, grid * down, grid * (self.top + down / 2) - 0.5],
            ]
        )
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        found: np.ndarray = cv2.warpAffine(values, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
        rows = self.top + (np.arange(height) + 0.5) * down
        columns = self.left + (np.arange(width) + 0.5) * across
        inside = np.outer((rows >= 0) & (rows < self.side), (columns >= 0) & (columns < self.side))
        return np.where(inside, found, 0).astype(values.dtype)

    def _paste(self, scaled: np.ndarray, colour: np.ndarray | np.uint8) -> np.ndarray:
        square = np.empty((self.side, self.side, *scaled.shape[2:]), np.uint8)
        square[:] = colour
        top, left = max(self.top, 0), max(self.left, 0)
        part = scaled[max(-self.top, 0) :, max(-self.left, 0) :][: self.side, : self.side]
        square[top : top + part.shape[0], left : left + part.shape[1]] = part
        return square


def place(size: tuple[int, int], side: int, fit: Fit, pixel_size_um: float | None = None) -> Placement:
    """Where an image lies in its square.

    Args:
        size: height and width of the image, pixels.
        side: of the square, pixels.
        fit: see `core.params.fit`.
        pixel_size_um: micrometres of one pixel of the image; only needed for a scale in micrometres.

    Raises:
        CytopipeError: the pixel size is needed and not known, or the scaled image would have more than MOST_PIXELS.
    """
    height, width = size
    if fit == "stretch":
        return Placement(side, side, side, 0, 0)
    step = max(height, width) / side if isinstance(fit, str) else source_pixels(fit, pixel_size_um)
    tall, wide = max(1, round(height / step)), max(1, round(width / step))
    if tall * wide > MOST_PIXELS:
        raise CytopipeError(
            f"fit: an image of {width} x {height} px would be scaled to {wide} x {tall}",
            hint=f"at most {MOST_PIXELS:,} pixels are possible; choose a larger source_pixels or um_per_pixel",
        )
    return Placement(side, tall, wide, (side - tall) // 2, (side - wide) // 2)


def source_pixels(fit: Scale, pixel_size_um: float | None) -> float:
    """Pixels of the image for one of the square.

    Raises:
        CytopipeError: the scale is in micrometres and the pixel size is not known.
    """
    if fit.source_pixels is not None:
        return fit.source_pixels
    assert fit.um_per_pixel is not None
    if not pixel_size_um:
        raise CytopipeError(
            f"fit: {{kind: scale, um_per_pixel: {fit.um_per_pixel:g}}} needs the size of the image's pixels, which is "
            "not known",
            hint="give the micrometres of one pixel: --pixel-size-um, or where a model is trained, pixel_size_um",
        )
    return fit.um_per_pixel / pixel_size_um


def border_colour(image: np.ndarray) -> np.ndarray:
    """Median colour of the outermost pixels of an H x W x 3 uint8 image: 3 uint8."""
    ring = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    colour: np.ndarray = np.rint(np.median(ring, axis=0)).astype(np.uint8)
    return colour
