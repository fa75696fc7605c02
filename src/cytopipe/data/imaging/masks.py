"""Masks of cells: one palette image each, 0 background, 1 cytoplasm, 2 nucleus."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cytopipe.data.imaging.opening import opened
from cytopipe.errors import CytopipeError

BACKGROUND, CYTOPLASM, NUCLEUS = 0, 1, 2
_RERUN = "rerun the stage that writes it"
_COLOURS = (0, 0, 0, 128, 128, 128, 255, 255, 255)  # of the three, so that a mask can be looked at


def fill_polygon(mask: np.ndarray, contour: np.ndarray, value: int) -> None:
    """Fill a contour in place.

    Args:
        mask: H x W uint8.
        contour: points x 2 float, x and y in pixels. PIL's fill of the unrounded points reproduces SIPaKMeD's own
            reference masks without a differing pixel; OpenCV's does not.
        value: written inside.
    """
    if len(contour) < 3:
        raise ValueError(f"a contour needs 3 points, not {len(contour)}")
    left, top = np.maximum(np.floor(contour.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.ceil(contour.max(axis=0)).astype(int) + 2
    window = mask[top:bottom, left:right]
    if window.size == 0:
        return
    image = Image.fromarray(np.ascontiguousarray(window))
    ImageDraw.Draw(image).polygon([(x - left, y - top) for x, y in contour.tolist()], fill=value)
    window[:] = np.asarray(image)


def cell_mask(size: tuple[int, int], cells: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Palette mask of (cytoplasm, nucleus) contours; size = (height, width). All cytoplasms lie below all nuclei."""
    mask = np.zeros(size, np.uint8)
    pairs = list(cells)
    for cytoplasm, _ in pairs:
        fill_polygon(mask, cytoplasm, CYTOPLASM)
    for _, nucleus in pairs:
        fill_polygon(mask, nucleus, NUCLEUS)
    return mask


def to_palette(values: np.ndarray, meaning: Mapping[int, int], where: str | Path) -> np.ndarray:
    """Translate a publisher's mask values to the palette.

    Args:
        values: H x W integers.
        meaning: publisher's value -> BACKGROUND, CYTOPLASM or NUCLEUS.
        where: the file, for the error.

    Raises:
        CytopipeError: when a value has no meaning.
    """
    palette = np.zeros(values.shape, np.uint8)
    known = np.zeros(values.shape, bool)
    for value, target in meaning.items():
        here = values == value
        palette[here] = target
        known |= here
    if not known.all():
        odd = sorted(np.unique(values[~known]).tolist())[:5]
        raise CytopipeError(
            f"mask values {odd} are none of {sorted(meaning)}", where=where, hint="name them in the dataset's options"
        )
    return palette


def colours_to_palette(image: np.ndarray, meaning: Mapping[tuple[int, int, int], int], where: str | Path) -> np.ndarray:
    """Translate a publisher's mask in colours to the palette.

    Args:
        image: H x W x 3 uint8 RGB.
        meaning: publisher's colour -> BACKGROUND, CYTOPLASM or NUCLEUS.
        where: the file, for the error.

    Raises:
        CytopipeError: when a colour has no meaning.
    """
    palette = np.zeros(image.shape[:2], np.uint8)
    known = np.zeros(image.shape[:2], bool)
    for colour, target in meaning.items():
        here = (image == colour).all(axis=-1)
        palette[here] = target
        known |= here
    if not known.all():
        odd = tuple(image[~known][0].tolist())
        raise CytopipeError(
            f"{np.count_nonzero(~known)} pixels of the mask have none of the colours {list(meaning)}, first {odd}",
            where=where,
            hint="replace the mask by the publisher's",
        )
    return palette


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a palette mask to size = (height, width); no value between two others can arise."""
    height, width = size
    result: np.ndarray = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return result


def to_channels(mask: np.ndarray) -> np.ndarray:
    """Palette H x W -> H x W x 2 uint8, 0 or 255: the whole cell (with its nucleus), and the nucleus."""
    return np.stack([(mask >= CYTOPLASM), (mask == NUCLEUS)], axis=-1).astype(np.uint8) * 255


def from_probabilities(cell: np.ndarray, nucleus: np.ndarray) -> np.ndarray:
    """Palette mask of two H x W probability maps, each cut at 0.5; a nucleus counts only inside a cell."""
    inside = cell >= 0.5
    mask = inside.astype(np.uint8)
    mask[inside & (nucleus >= 0.5)] = NUCLEUS
    return mask


def largest_cell(mask: np.ndarray) -> np.ndarray:
    """Palette H x W with all but the largest connected cell (8 neighbours) set to background."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((mask >= CYTOPLASM).astype(np.uint8))
    if count <= 2:
        return mask
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == largest, mask, BACKGROUND).astype(np.uint8)


def encode_mask(mask: np.ndarray) -> bytes:
    """Palette PNG of an H x W uint8 mask: indices 0, 1, 2, shown black, grey and white; same mask, same bytes."""
    image = Image.fromarray(mask)
    image.putpalette(_COLOURS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def read_mask(path: Path) -> np.ndarray:
    """Read a mask that `encode_mask` made: H x W uint8 palette.

    Raises:
        CytopipeError: when it does not decode or has no palette.
    """
    with opened(path, hint=_RERUN) as image:
        if image.mode != "P":
            raise CytopipeError(f"not a palette mask but an image of mode {image.mode}", where=path, hint=_RERUN)
        return np.asarray(image)
