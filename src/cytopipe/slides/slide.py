"""A whole slide: the interface of its readers, one module each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cytopipe.errors import CytopipeError

LARGEST_SIDE = 1 << 20  # pixels; those of scanners have at most 300,000
LARGEST_BLOCK = 1 << 30  # bytes that must be decoded for a single pixel
ALIKE = 0.02  # relative difference up to which two scales are the same


@dataclass(frozen=True)
class Level:
    """A level of a pyramid: its size, and how many pixels of the full resolution one of its pixels spans."""

    height: int
    width: int
    downsample: float


class Slide(Protocol):
    """An opened slide.

    Attributes:
        path: its file or folder.
        levels: from the full resolution down.
        mpp: micrometres of a pixel of the full resolution; None where the slide does not say it.
        planes: number of focal planes.
    """

    path: Path
    levels: Sequence[Level]
    mpp: float | None
    planes: int

    def read_region(self, level: int, top: int, left: int, height: int, width: int, plane: int = 0) -> np.ndarray:
        """Read a region that lies within a level: height x width x 3 uint8 RGB; all in pixels of that level.

        Raises:
            CytopipeError: the region cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Close its files."""
        ...


def levels_of(sizes: Iterable[tuple[int, int]], path: Path) -> list[Level]:
    """Levels from their sizes (height, width), the full resolution first.

    Raises:
        CytopipeError: a level is not a smaller version of the one before it.
    """
    found: list[Level] = []
    sizes = list(sizes)
    if not sizes or max(map(max, sizes)) > LARGEST_SIDE or min(map(min, sizes)) < 1:
        raise damaged(path, f"its levels are {', '.join(f'{width} x {height}' for height, width in sizes)} px")
    for number, (height, width) in enumerate(sizes):
        if not found:
            found.append(Level(height, width, 1.0))
            continue
        full, before = found[0], found[-1]
        down, across = full.height / max(height, 1), full.width / max(width, 1)
        # Sides are rounded to whole pixels, so that those of small levels have no exact ratio.
        rounding = 1 / max(min(height, width), 1)
        if width >= before.width or height > before.height or abs(down / across - 1) > ALIKE + 2 * rounding:
            raise CytopipeError(
                f"level {number} of {width} x {height} px is no smaller version of level 0, {full.width} x "
                f"{full.height} px: levels are missing, or out of order",
                where=path,
                hint="write the pyramid again, or convert its full resolution (vips tiffsave --pyramid)",
            )
        found.append(Level(height, width, (down + across) / 2))
    return found


def check_block(size: int, path: Path) -> None:
    """Check that regions can be read without much more around them.

    Args:
        size: bytes of a tile, strip or chunk.
        path: the slide.

    Raises:
        CytopipeError: it is larger than LARGEST_BLOCK.
    """
    if size > LARGEST_BLOCK:
        raise CytopipeError(
            f"the slide is stored in blocks of {size / (1 << 30):.1f} GiB, each of which is decoded as a whole",
            where=path,
            hint="write it in tiles (vips tiffsave --tile --pyramid --compression deflate)",
        )


def damaged(path: Path, reason: object, hint: str = "copy or scan the slide again") -> CytopipeError:
    """The error for a slide that cannot be read."""
    text = " ".join(str(reason).split())
    if not re.search(r"[a-z]{3}", text):  # the key that a reader of damaged headers did not find
        text = "its structure is damaged"
    return CytopipeError(f"the slide cannot be read ({text})", where=path, hint=hint)
