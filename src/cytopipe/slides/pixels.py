"""From a region's values, with their axes, to 8-bit RGB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params import FULL, Reading
from cytopipe.data.imaging.channels import of_channels
from cytopipe.data.imaging.decode import refuses_8_bit
from cytopipe.data.imaging.depth import refuse_8_bit
from cytopipe.errors import CytopipeError


def region_values(array: Any, axes: str, rows: slice, columns: slice, plane: int, where: Path) -> np.ndarray:
    """A region of an array with named axes (letters of T, Z, C, Y, X, S): H x W, or H x W x channels.

    Raises:
        CytopipeError: an axis other than planes and channels has more than one value.
    """
    chosen: list[Any] = []
    for axis, length in zip(axes, array.shape, strict=True):
        if axis in "YX":
            chosen.append(rows if axis == "Y" else columns)
        elif axis in "CS":
            chosen.append(slice(None))
        elif axis == "Z":
            chosen.append(plane)
        elif length == 1:
            chosen.append(0)
        else:
            words = {"T": "time points"}
            raise CytopipeError(
                f"the slide holds {length} {words.get(axis, f'values along axis {axis}')}",
                where=where,
                hint="store each of them as a slide of its own",
            )
    values = np.asarray(array[tuple(chosen)])
    left = [axis for axis in axes if axis in "YXCS"]
    order = [left.index("Y"), left.index("X"), *(left.index(axis) for axis in left if axis in "CS")]
    values = values.transpose(order)
    return values if values.ndim == 2 else values.reshape(*values.shape[:2], -1)


def to_rgb(values: np.ndarray, reading: Reading, where: Path, white_is_zero: bool = False) -> np.ndarray:
    """Values H x W or H x W x channels -> H x W x 3 uint8, by the channels and the range of a reading.

    Every region is scaled alike: a range that the file does not state is never estimated from a part of it.

    Raises:
        CytopipeError: channels must be picked, or values of more than 8 bits have no known range.
    """
    picked = values if reading.channels is None else of_channels(values, reading.channels, where)
    bands = 1 if picked.ndim == 2 else picked.shape[2]
    if bands not in (1, 3, 4):
        raise CytopipeError(
            f"the slide has {bands} channels, which are no colours",
            where=where,
            hint="take a model that was trained on some of them (options.channels of its dataset)",
        )
    picked = picked.reshape(*picked.shape[:2], bands)
    grey = _eight_bit(picked, reading, where)
    if white_is_zero and bands == 1:
        grey = 255 - grey
    if bands == 4:
        if reading.alpha == "blend":
            opaque = grey[..., 3:].astype(np.float32) / 255
            return np.rint(grey[..., :3] * opaque + 255 * (1 - opaque)).astype(np.uint8)
        grey = grey[..., :3]
    return np.ascontiguousarray(np.repeat(grey, 3, axis=2) if bands == 1 else grey)


def _eight_bit(values: np.ndarray, reading: Reading, where: Path) -> np.ndarray:
    if values.dtype == np.uint8:
        if refuses_8_bit(reading):
            raise refuse_8_bit(reading.range or FULL, where)
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if reading.range is None:
        raise CytopipeError(
            f"the slide has {values.dtype} values, and the model was trained on 8-bit images: which values are black "
            "and white is not known",
            where=where,
            hint="say it: --range LOW,HIGH (--range full: 0 to 65535)",
        )
    low, high = reading.range
    scaled: np.ndarray = (values.astype(np.float32) - low) * (255 / (high - low))
    eight: np.ndarray = np.rint(np.nan_to_num(scaled).clip(0, 255)).astype(np.uint8)
    return eight


def planes_of(sizes: Mapping[str, int]) -> int:
    """Number of focal planes by the lengths of the axes."""
    return sizes.get("Z", 1)
