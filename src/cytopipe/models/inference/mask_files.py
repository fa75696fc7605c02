"""What generate_masks does in several processes: read an image into windows, and write its mask; without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.params import View
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row
from cytopipe.models.inference.windows import Windows


def read_windows(organized: Path, view: View, row: Row) -> Windows:
    """The windows of an organized image."""
    return Windows.of(read_png(organized / row.path), view)


def write_mask(folder: Path, named: tuple[str, np.ndarray]) -> str:
    """Write the palette mask (H x W uint8) of an id as `<id>.png`, and return the file's SHA-256."""
    id_, mask = named
    png = encode_mask(mask)
    (folder / f"{id_}.png").write_bytes(png)
    return sha256_bytes(png)
