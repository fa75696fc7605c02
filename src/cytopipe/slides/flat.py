"""Any other image as a slide of one level."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from cytopipe.core.params import Reading
from cytopipe.data.imaging.fields import open_field
from cytopipe.slides.slide import Level


class FlatSlide:
    """An image file without a pyramid; see `Slide` and `open_field`.

    Raises:
        CytopipeError: as `open_field`.
    """

    planes = 1

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path, self._stack = path, ExitStack()
        self._field = self._stack.enter_context(open_field(path, reading))
        self.levels: Sequence[Level] = [Level(self._field.height, self._field.width, 1.0)]
        self.mpp = self._field.pixel_size_um

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        return self._field.read(top, left, height, width)

    def close(self) -> None:
        """See `Slide.close`."""
        self._stack.close()
