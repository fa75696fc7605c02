"""What generate_masks does in several processes: read an image into windows, and write its mask; without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.params import View
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row
from cytopipe.inference.windows import Windows


def read_windows(organized: Path, view: View, row: Row) -> Windows:
    """The windows of an organized image."""
    return Windows.of(read_png(organized / row.path), view)


@dataclass(frozen=True)
class Predicted:
    """An image whose mask is to be written.

    Attributes:
        id: of the image.
        windows: without pixels.
        probabilities: of cell and nucleus in each window, N x S x S x 2 float32.
    """

    id: str
    windows: Windows
    probabilities: np.ndarray

    @classmethod
    def of(cls, id_: str, windows: Windows, probabilities: np.ndarray) -> Predicted:
        """Leave out the pixels, so that they are not sent to another process."""
        return cls(id_, replace(windows, pixels=windows.pixels[:0]), probabilities)


def write_mask(folder: Path, one_cell: bool, image: Predicted) -> str:
    """Write `<id>.png` and return its SHA-256."""
    png = encode_mask(image.windows.mask(image.probabilities, one_cell))
    (folder / f"{image.id}.png").write_bytes(png)
    return sha256_bytes(png)
