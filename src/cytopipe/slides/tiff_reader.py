"""OME-TIFF and other TIFF pyramids by tifffile and zarr: levels in sub-images or pages, focal planes, channels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from cytopipe.core.params import Reading
from cytopipe.data.imaging.pixel_size import pixel_size_um
from cytopipe.errors import CytopipeError
from cytopipe.slides.pixels import planes_of, region_values, to_rgb
from cytopipe.slides.slide import Level, check_block, damaged, levels_of

COPY_AGAIN = "the file is cut short: copy it again"


class TiffSlide:
    """The first series of a TIFF with its pyramid; see `Slide`.

    Args:
        path: the file.
        reading: how its values become 8-bit RGB.

    Raises:
        CytopipeError: the file is damaged or cut short, levels are missing, or its compression needs imagecodecs.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path, self._reading = path, reading
        try:
            self._file = tifffile.TiffFile(path)
            series = self._file.series[0]
            self._levels: list[Any] = list(series.levels)
            page = self._file.pages.first
            listed = len(page.subifds or ())
            tags = {tag.code: tag.value for tag in page.tags.values()}
            self._white_is_zero = int(page.photometric) == 0
            check_whole(self._file, path)
        except CytopipeError:
            raise
        except Exception as error:  # a damaged header makes tifffile raise what it likes
            raise damaged(path, error) from None
        if listed and listed + 1 != len(self._levels):
            raise CytopipeError(
                f"the file lists {listed + 1} levels, and {len(self._levels)} can be read",
                where=path,
                hint="write the pyramid again",
            )
        self._axes = [level.axes.replace("I", "Z").replace("Q", "Z") for level in self._levels]
        sizes = [
            dict(zip(axes, level.shape, strict=True)) for axes, level in zip(self._axes, self._levels, strict=True)
        ]
        self.levels: Sequence[Level] = levels_of(((size["Y"], size["X"]) for size in sizes), path)
        self.planes, self.mpp = planes_of(sizes[0]), pixel_size_um(tags, path)
        if any(planes_of(size) != self.planes for size in sizes):
            raise CytopipeError("the levels have different numbers of focal planes", where=path)
        self._arrays: list[Any] = [
            zarr.open_array(series.aszarr(level=number), mode="r") for number in range(len(self._levels))
        ]
        for array in self._arrays:
            check_block(math.prod(array.chunks) * array.dtype.itemsize, path)

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        try:
            values = region_values(self._arrays[level], self._axes[level], rows, columns, plane, self.path)
        except CytopipeError:
            raise
        except Exception as error:  # of zarr, tifffile or a codec
            hint = "pip install imagecodecs" if "imagecodecs" in str(error) else COPY_AGAIN
            raise damaged(self.path, error, hint) from None
        return to_rgb(values, self._reading, self.path, self._white_is_zero)

    def close(self) -> None:
        """See `Slide.close`."""
        self._file.close()


def check_whole(file: tifffile.TiffFile, path: Path) -> None:
    """Check that a TIFF holds the data that its pages name.

    Raises:
        CytopipeError: it ends before them.
    """
    size = path.stat().st_size
    for page in _pages(file):
        ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False) if count)
        if max(ends, default=0) > size:
            raise CytopipeError("the slide is truncated: the file ends before its data", where=path, hint=COPY_AGAIN)


def _pages(file: tifffile.TiffFile) -> Iterator[Any]:
    for page in file.pages:
        yield page
        yield from getattr(page, "pages", None) or ()
