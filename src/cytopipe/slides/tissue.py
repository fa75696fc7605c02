"""Where a slide shows anything: on a thumbnail, what is coloured or much darker than the glass."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.filters import threshold_otsu

from cytopipe.slides.slide import Slide
from cytopipe.slides.view import View

LONGEST = 4096  # maximum longer side of the thumbnail, pixels
LEAST = 8  # pixels of the full resolution for one of the thumbnail, at least
# Otsu's threshold is kept between these, of 255: below is noise of the camera, and a pen mark must not hide pale cells.
FLOOR, CEILING = 8, 20
DARK = 40  # grey levels below the glass from which a pixel is no glass, whatever its colour
BLACK = 12  # grey level up to which a saturation means nothing
REACH = 1  # pixels of the thumbnail by which tissue is widened


@dataclass(frozen=True)
class Tissue:
    """What of a slide is not empty.

    Attributes:
        mask: H x W bool, on a thumbnail.
        factor: pixels of the full resolution for one of the thumbnail.
    """

    mask: np.ndarray
    factor: float

    @classmethod
    def of(cls, slide: Slide) -> Tissue:
        """Find it on the middle focal plane."""
        view = View.reduced(slide, thumbnail_factor(slide))
        return cls(tissue_mask(view.shrunk(slide.planes // 2)), view.factor)

    def within(self, top: float, left: float, bottom: float, right: float) -> bool:
        """Whether a rectangle, in pixels of the full resolution, shows any."""
        rows = slice(int(top / self.factor), int(np.ceil(bottom / self.factor)))
        columns = slice(int(left / self.factor), int(np.ceil(right / self.factor)))
        # The last pixels of a slide may have no own pixel of the thumbnail.
        height, width = self.mask.shape
        rows = slice(min(rows.start, height - 1), rows.stop)
        columns = slice(min(columns.start, width - 1), columns.stop)
        return bool(self.mask[rows, columns].any())

    @property
    def share(self) -> float:
        """Share of the slide that is tissue."""
        return float(self.mask.mean())


def thumbnail_factor(slide: Slide) -> int:
    """Pixels of the full resolution for one of the thumbnail: a power of two, the same for all pyramids of an image."""
    longest, factor = max(slide.levels[0].height, slide.levels[0].width), LEAST
    while longest > LONGEST * factor:
        factor *= 2
    return factor


def tissue_mask(thumbnail: np.ndarray) -> np.ndarray:
    """Pixels that show anything: by Otsu's threshold of saturation (HSV), or of grey on a slide without colour.

    Otsu 1979 (doi:10.1109/TSMC.1979.4310076).

    Args:
        thumbnail: H x W x 3 uint8 RGB.

    Returns:
        H x W bool, widened by REACH.
    """
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    saturation = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV)[..., 1]
    saturation[grey <= BLACK] = 0
    glass = int(np.bincount(grey.ravel(), minlength=256).argmax())
    if saturation.max() > FLOOR:
        found = saturation > _threshold(saturation)
        found |= grey.astype(np.int16) < glass - DARK
    else:
        contrast = cv2.absdiff(grey, np.full_like(grey, glass))
        found = contrast > _threshold(contrast)
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    return cv2.dilate(found.astype(np.uint8), kernel) > 0


def _threshold(values: np.ndarray) -> float:
    found = threshold_otsu(values) if values.min() < values.max() else 0  # type: ignore[no-untyped-call]
    return float(min(max(found, FLOOR), CEILING))
