"""Fields of view of any size, read region by region in flat memory, with the pixels that `images.read_rgb` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cytopipe.images import read_rgb

WHOLE = 4096 * 4096  # pixels of a field that is decoded at once: some 50 MB
Reader = Callable[[int, int, int, int], np.ndarray]  # top, left, height, width -> height x width x 3 uint8


@dataclass(frozen=True)
class Field:
    """A field of view.

    Attributes:
        height, width: pixels.
        reader: of regions that lie within it.
    """

    height: int
    width: int
    reader: Reader

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A region, height x width x 3 uint8 RGB; beyond the field's edge its outermost pixels are repeated."""
        rows = np.clip([top, top + height], 0, self.height)
        columns = np.clip([left, left + width], 0, self.width)
        # Of a region wholly outside, the nearest row or column.
        first, last = min(rows[0], self.height - 1), max(rows[1], 1)
        start, stop = min(columns[0], self.width - 1), max(columns[1], 1)
        inside = self.reader(int(first), int(start), int(last - first), int(stop - start))
        if inside.shape[:2] == (height, width):
            return inside
        down = np.clip(np.arange(top, top + height), first, last - 1) - first
        across = np.clip(np.arange(left, left + width), start, stop - 1) - start
        return inside[down][:, across]

    @classmethod
    def of(cls, image: np.ndarray) -> Field:
        """From H x W x 3 uint8 in memory."""

        def read(top: int, left: int, height: int, width: int) -> np.ndarray:
            return image[top : top + height, left : left + width]

        return cls(image.shape[0], image.shape[1], read)


@contextmanager
def open_field(path: Path) -> Iterator[Field]:
    """A field from an image file.

    Raises:
        CytopipeError: as `images.read_rgb`; of a big field perhaps only when it is read.
    """
    yield Field.of(read_rgb(path)[0])
