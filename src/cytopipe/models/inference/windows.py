"""The windows of an image that a segmenter takes, and the mask that their probabilities make; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.core.params import View
from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.masks import from_probabilities, largest_cell
from cytopipe.data.imaging.sliding_window import Corner, cut, stitch

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Windows:
    """The windows of one image, as a segmenter takes them.

    Attributes:
        pixels: N x S x S x 3 uint8.
        corners: (top, left) of each window in the scaled image, pixels.
        scaled: (height, width) of the scaled image.
        native: (height, width) of the original image.
    """

    pixels: np.ndarray
    corners: list[Corner]
    scaled: Size
    native: Size

    @classmethod
    def of(cls, image: np.ndarray, view: View) -> Windows:
        """Scale an H x W x 3 uint8 image according to the view, and cut it into windows."""
        native = image.shape[0], image.shape[1]
        scaled = view.size_of(*native)
        pixels, corners = cut(resize_rgb(image, scaled), view.input_size, view.overlap)
        return cls(pixels, corners, scaled, native)

    def stitch(self, values: np.ndarray) -> np.ndarray:
        """Merge values of the windows, N x S x S x C float32, into values of the image in its own size, H x W x C."""
        stitched = stitch(values, self.corners, (*self.scaled, values.shape[3]))
        return cv2.resize(stitched, (self.native[1], self.native[0]), interpolation=cv2.INTER_LINEAR)

    def mask(self, probabilities: np.ndarray, one_cell: bool) -> np.ndarray:
        """The palette mask of the image, H x W uint8.

        Args:
            probabilities: of cell and nucleus in each window, N x S x S x 2 float32.
            one_cell: keep only the largest cell.
        """
        cell, nucleus = np.moveaxis(self.stitch(probabilities), 2, 0)
        mask = from_probabilities(cell, nucleus)
        return largest_cell(mask) if one_cell else mask
