"""A slide at one scale: the level that is nearest above it, resampled so that a pixel is the same in every region."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.slides.slide import ALIKE, Slide

COARSEST = 4.0  # times that a slide may be enlarged
BLOCK = 2048  # side of the blocks that a reduced slide is read in, pixels of the level
SIGMA = 0.35  # of the Gaussian before a reduction, in pixels of the view


@dataclass(frozen=True)
class View:
    """A slide whose pixels have a given size.

    Attributes:
        slide: the slide.
        level: the level that is read.
        step: pixels of that level for one of the view.
        height, width: size of the view.
        mpp: micrometres of a pixel of the view; None where the slide's are not known.
    """

    slide: Slide
    level: int
    step: float
    height: int
    width: int
    mpp: float | None

    @classmethod
    def reduced(cls, slide: Slide, factor: float, mpp: float | None = None) -> View:
        """The slide reduced by a factor (below 1: enlarged); a level within ALIKE of it is taken as it is.

        Args:
            slide: the slide.
            factor: pixels of the full resolution for one of the view.
            mpp: micrometres of a pixel of the full resolution.
        """
        fine = [number for number, level in enumerate(slide.levels) if level.downsample <= factor * (1 + ALIKE)]
        number = fine[-1] if fine else 0
        level = slide.levels[number]
        step = factor / level.downsample
        step = round(step) if round(step) and abs(step / round(step) - 1) <= ALIKE else step
        size = max(1, math.floor(level.height / step)), max(1, math.floor(level.width / step))
        return cls(slide, number, step, *size, mpp and mpp * level.downsample * step)

    @property
    def factor(self) -> float:
        """Pixels of the full resolution for one of the view."""
        return self.slide.levels[self.level].downsample * self.step

    def read(self, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """Read a region that lies within the view: height x width x 3 uint8 RGB."""
        step = self.step
        if step == 1:
            return self.slide.read_region(self.level, top, left, height, width, plane)
        if isinstance(step, int):
            region = self.slide.read_region(self.level, top * step, left * step, height * step, width * step, plane)
            return cv2.resize(region, (width, height), interpolation=cv2.INTER_AREA)
        return self._resampled(top, left, height, width, plane)

    def _resampled(self, top: int, left: int, height: int, width: int, plane: int) -> np.ndarray:
        level, step = self.slide.levels[self.level], self.step
        sigma = SIGMA * step if step > 1 else 0.0
        reach = math.ceil(3 * sigma) + 2
        first, start = (max(math.floor(edge * step) - reach, 0) for edge in (top, left))
        last = min(math.ceil((top + height) * step) + reach, level.height)
        stop = min(math.ceil((left + width) * step) + reach, level.width)
        region = self.slide.read_region(self.level, first, start, last - first, stop - start, plane)
        if sigma:
            region = cv2.GaussianBlur(region, (2 * (reach - 2) + 1,) * 2, sigma, borderType=cv2.BORDER_REPLICATE)
        across = ((np.arange(left, left + width) + 0.5) * step - 0.5 - start).astype(np.float32)
        down = ((np.arange(top, top + height) + 0.5) * step - 0.5 - first).astype(np.float32)
        grid = np.meshgrid(across, down)
        return cv2.remap(region, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def shrunk(self, plane: int = 0) -> np.ndarray:
        """The whole view, height x width x 3 uint8, read block by block."""
        whole = np.empty((self.height, self.width, 3), np.uint8)
        side = max(1, int(BLOCK // self.step))
        for top in range(0, self.height, side):
            for left in range(0, self.width, side):
                rows, columns = min(side, self.height - top), min(side, self.width - left)
                whole[top : top + rows, left : left + columns] = self.read(top, left, rows, columns, plane)
        return whole


def view_at(slide: Slide, mpp: float, pixel_size_um: float | None = None) -> View:
    """The slide at a number of micrometres a pixel.

    Args:
        slide: the slide.
        mpp: micrometres of a pixel of the view.
        pixel_size_um: micrometres of a pixel of the slide's full resolution, if not as the slide says.

    Raises:
        CytopipeError: they are not known, or the slide is much coarser than the view.
    """
    own = pixel_size_um or slide.mpp
    if own is None:
        raise CytopipeError(
            "the slide does not say how large its pixels are",
            where=slide.path,
            hint="give the micrometres of one pixel of its full resolution: --pixel-size-um UM, or --mpp UM if it is "
            "that of the detector's training images",
        )
    if own > COARSEST * mpp:
        raise CytopipeError(
            f"the slide has {own:g} micrometres a pixel, too coarse for models that see {mpp:g}",
            where=slide.path,
            hint="take a slide of a stronger objective, or models that were trained at its scale",
        )
    return View.reduced(slide, mpp / own, own)
