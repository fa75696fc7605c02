"""How large images and cells were that a segmenter was trained on: what scale it needs where it screens fields."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.imaging.masks import CYTOPLASM, read_mask
from cytopipe.inference.segment import CELL_SIDE, NATIVE_SIDE


def typical_sizes(organized: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Median longer sides in pixels of the images of the training split, and of the cells in their true masks.

    Cells that touch count as one; without masks, or without images, there is no such size.
    """
    train = [row for row in rows if row.split == "train"]
    images = [max(row.width, row.height) for row in train]
    cells = [side for row in train if row.mask_path for side in _sides(read_mask(organized / row.mask_path))]
    sizes = {NATIVE_SIDE: images, CELL_SIDE: cells}
    return {name: float(np.median(values)) for name, values in sizes.items() if values}


def _sides(mask: np.ndarray) -> list[int]:
    _, _, statistics, _ = cv2.connectedComponentsWithStats((mask >= CYTOPLASM).astype(np.uint8))
    return [int(side) for side in statistics[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1, initial=0)]
