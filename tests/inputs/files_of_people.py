"""Files as people have them: small images of cells, masks, tables and trees, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image


def cell(seed: int, side: int = 24) -> np.ndarray:
    """A dark disc with a darker nucleus on bright ground: side x side x 3 uint8; no two seeds give the same pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(215, 240, (side, side, 3), dtype=np.uint8)
    middle = (side // 2, side // 2)
    cv2.circle(pixels, middle, side // 3, (190, 150, 170), -1)
    cv2.circle(pixels, middle, side // 7, (110, 60, 120), -1)
    pixels[0, 0] = [seed % 251, seed // 251 % 251, seed // 63_001 % 251]
    return pixels


def cell_mask(side: int = 24, cell_value: int = 1, nucleus_value: int = 2) -> np.ndarray:
    """The mask that fits `cell`: side x side uint8."""
    mask = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    cv2.circle(mask, middle, side // 3, cell_value, -1)
    cv2.circle(mask, middle, side // 7, nucleus_value, -1)
    return mask


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Write an image in the format of its suffix; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def tree(root: Path, names: Iterable[str], first_seed: int = 0) -> Path:
    """An image of its own for every name below `root`; returns `root`."""
    for seed, name in enumerate(names, first_seed):
        save(root / name, cell(seed))
    return root


def names(folders: Mapping[str, int], suffix: str = ".png", start: int = 0) -> list[str]:
    """File names `<folder>/c<number><suffix>`, as many in each folder as it says; numbers run through all folders."""
    listed = [folder for folder, count in folders.items() for _ in range(count)]
    return [f"{folder}/c{number:03}{suffix}" for number, folder in enumerate(listed, start)]


def table(path: Path, rows: Iterable[Iterable[object]], separator: str = ",", encoding: str = "utf-8") -> Path:
    """Write a table of text; the first row is the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(separator.join(map(str, row)) + "\n" for row in rows).encode(encoding))
    return path
