"""Foreground of a field: Otsu's threshold on grey values, one for the whole field and so for all its tiles."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.fields import STRIP, Field
from cytopipe.models.architectures.otsu import otsu_threshold
from cytopipe.screening.detectors import Region

THUMBNAIL = 1024  # maximum longer side of the thumbnail that the threshold is computed on, pixels
REACH = 4  # points around a region that its smoothed grey values depend on


@dataclass(frozen=True)
class Foreground:
    """A threshold on grey values, and the side of it that cells are on.

    Attributes:
        threshold: values up to this one are dark.
        dark: whether cells are the dark side; False if they are brighter than the background, as in fluorescence.
    """

    threshold: int
    dark: bool

    @classmethod
    def of(cls, field: Field, cells: np.ndarray) -> Foreground:
        """The threshold of a field.

        Args:
            field: the field.
            cells: grey values of points that are probably cells; if there are none, cells are taken to be dark.
        """
        thumbnail = grey_of(field.shrunk(-(-max(field.height, field.width) // THUMBNAIL)))
        threshold = otsu_threshold(cv2.GaussianBlur(thumbnail, (0, 0), 1))
        return cls(threshold, bool(np.median(cells) <= threshold) if cells.size else True)

    def mask(self, field: Field, region: Region, step: int) -> np.ndarray:
        """Foreground at the points of a region, H x W bool; neighbouring points of the grid are `step` pixels apart."""
        rows, columns = -(-field.height // step), -(-field.width // step)
        wide = region.widened(REACH, rows, columns)
        smooth = cv2.GaussianBlur(_grey(field, wide, step), (2 * REACH + 1, 2 * REACH + 1), 1)
        top, left = region.top - wide.top, region.left - wide.left
        values = smooth[top : top + region.shape[0], left : left + region.shape[1]]
        return values <= self.threshold if self.dark else values > self.threshold


def grey_of(image: np.ndarray) -> np.ndarray:
    """... x 3 uint8 RGB -> ... uint8 grey."""
    return cv2.cvtColor(image.reshape(-1, 1, 3), cv2.COLOR_RGB2GRAY).reshape(image.shape[:-1])


def _grey(field: Field, region: Region, step: int) -> np.ndarray:
    """Grey values at the points of a region, H x W uint8; each is the mean over the pixels of the point."""
    rows, columns = region.shape
    grey = np.empty(region.shape, np.uint8)
    for start in range(0, rows, STRIP):
        count = min(STRIP, rows - start)
        strip = field.read((region.top + start) * step, region.left * step, count * step, columns * step)
        grey[start : start + count] = grey_of(resize_rgb(strip, (count, columns)))
    return grey
