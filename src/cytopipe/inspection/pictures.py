"""Sizes, modes and bit depths of images, by their headers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from statistics import median_low

import numpy as np
from PIL import Image

from cytopipe.data.imaging.decode import read_values
from cytopipe.data.imaging.opening import opened
from cytopipe.errors import CytopipeError
from cytopipe.inspection.seen import Pictures

MOST = 400  # headers that are read
MOST_MASKS = 12  # masks that are decoded
_FLAT = 5  # values of a mask in one channel: background, cell, nucleus, a rim, unknown
MOST_VALUES = 300
_NAMES = {
    "1": "1-bit", "L": "8-bit grey", "LA": "8-bit grey with alpha", "P": "8-bit palette", "RGB": "8-bit RGB",
    "RGBA": "8-bit RGB with alpha", "CMYK": "8-bit CMYK", "I": "32-bit grey", "F": "32-bit float",
}  # fmt: skip


def look_at_pictures(root: Path, images: Sequence[PurePosixPath]) -> Pictures:
    """What the headers of images say; of more than `MOST` images a part is looked at, evenly spread."""
    chosen = spread(images, MOST)
    sizes: list[tuple[int, int]] = []
    modes: Counter[str] = Counter()
    unreadable = []
    for image in chosen:
        try:
            with opened(root / image) as picture:
                sizes.append(picture.size)
                modes[_mode(picture)] += 1
        except CytopipeError as error:
            unreadable.append((image.as_posix(), error.what))
    widths, heights = [size[0] for size in sizes], [size[1] for size in sizes]
    suffixes = Counter(image.suffix.lower() for image in images)
    return Pictures(
        len(images),
        dict(sorted(suffixes.items())),
        len(chosen),
        _range(widths),
        _range(heights),
        dict(modes.most_common()),
        tuple(unreadable),
    )


def values_of_masks(root: Path, masks: Sequence[PurePosixPath]) -> tuple[int, ...]:
    """The values in some masks, sorted; those that do not open are passed over."""
    found: set[int] = set()
    for mask in spread(masks, MOST_MASKS):
        try:
            found.update(int(value) for value in np.unique(read_values(root / mask)))
        except CytopipeError:
            continue
    return tuple(sorted(found)[:MOST_VALUES])


def is_flat(root: Path, pictures: Sequence[PurePosixPath]) -> bool:
    """Whether pictures hold a few values only, as masks do; each of some that are looked at."""
    try:
        return all(len(np.unique(read_values(root / one))) <= _FLAT for one in spread(pictures, MOST_MASKS))
    except CytopipeError:
        return False


def spread(items: Sequence[PurePosixPath], most: int) -> list[PurePosixPath]:
    """At most so many items, evenly spread, the first among them."""
    step = max(1, -(-len(items) // most))
    return list(items[::step])


def _mode(picture: Image.Image) -> str:
    """Mode and bit depth in words, with the number of frames where there are several."""
    deep = re.search(r";16[BLN]?", str(getattr(picture, "tile", ""))) or picture.mode.startswith("I;16")
    name = _NAMES.get(picture.mode, picture.mode)
    if deep:
        name = f"16-bit {'grey' if picture.mode in ('I', 'L') or picture.mode.startswith('I;16') else picture.mode}"
    frames = int(getattr(picture, "n_frames", 1))
    return name if frames == 1 else f"{name}, {frames} frames"


def _range(values: Sequence[int]) -> tuple[int, int, int]:
    return (min(values), median_low(values), max(values)) if values else (0, 0, 0)
