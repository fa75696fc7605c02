"""Masks as lengths of runs: COCO's, plain and compressed, CVAT's and Label Studio's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.adapters.annotations.files import whole
from cytopipe.adapters.annotations.shapes import MOST_PIXELS
from cytopipe.data.imaging.outlines import PlacedMask
from cytopipe.errors import CytopipeError

_LONGEST = 1 << 24  # values of one mask's runs
_WORD = 5  # bits of a length in each letter of a compressed COCO mask


def coco_mask(counts: Sequence[object] | str, size: tuple[int, int], where: str) -> PlacedMask | None:
    """A mask of COCO: lengths of runs of 0 and 1 in turn, down the columns.

    Args:
        counts: the lengths, or the text of `pycocotools.mask.encode`.
        size: height and width of the image.
        where: for errors.

    Raises:
        CytopipeError: the lengths are not those of a mask of this size.
    """
    height, width = size
    lengths = _decompressed(counts, where) if isinstance(counts, str) else _lengths(counts, where)
    ends = _ends(lengths, height * width, where)
    starts, stops = ends[0:-1:2], ends[1::2]  # of the runs of 1
    starts, stops = starts[: len(stops)], stops[: len(starts)]
    real = stops > starts
    starts, stops = starts[real], stops[real]
    if not len(starts):
        return None
    first, last = int(starts[0]) // height, (int(stops[-1]) - 1) // height
    columns = last - first + 1
    if columns * height > 8 * MOST_PIXELS:
        raise CytopipeError(f"a mask over {columns:,} columns of {height:,} pixels is no cell", where=where)
    changes = np.zeros(columns * height + 1, np.int8)
    np.add.at(changes, starts - first * height, 1)
    np.add.at(changes, stops - first * height, -1)
    mask = np.cumsum(changes[:-1], dtype=np.int8).astype(bool).reshape(columns, height).T
    return PlacedMask.of(mask, first, 0)


def compressed(cell: PlacedMask, size: tuple[int, int]) -> str:
    """A mask as COCO's compressed runs, as `pycocotools.mask.encode` writes the `counts` of the whole image.

    Args:
        cell: within the image.
        size: height and width of the image.
    """
    height, width = size
    down, across = cell.mask.shape
    columns = np.zeros((across, down + 2), np.int8)
    columns[:, 1:-1] = cell.mask.T
    changes = np.diff(columns, axis=1)
    place, start = np.nonzero(changes == 1)
    _, stop = np.nonzero(changes == -1)
    base = (cell.left + place) * height + cell.top
    starts, stops = base + start, base + stop
    apart = np.r_[True, starts[1:] != stops[:-1]]  # a run that reaches the bottom goes on at the top of the next column
    starts, stops = starts[apart], stops[np.r_[apart[1:], True]]
    edges = np.r_[0, np.stack([starts, stops], axis=1).ravel(), height * width]
    lengths = np.diff(edges).tolist()
    return _letters(lengths if lengths[-1] else lengths[:-1])


def row_mask(lengths: Sequence[object], box: tuple[int, int, int, int], where: str) -> PlacedMask | None:
    """A mask of CVAT: lengths of runs of 0 and 1 in turn, along the rows of a box (left, top, width, height).

    Raises:
        CytopipeError: the lengths are not those of a mask of this size.
    """
    left, top, width, height = box
    if width * height > MOST_PIXELS:
        raise CytopipeError(f"a mask of {width:,} x {height:,} px is no cell", where=where)
    found = _lengths(lengths, where)
    _ends(found, width * height, where)
    values = np.repeat(np.arange(len(found)) % 2, found).astype(bool)
    return PlacedMask.of(values.reshape(height, width), left, top)


def brush_mask(values: Sequence[object], size: tuple[int, int], where: str) -> PlacedMask | None:
    """A mask of Label Studio's brush: the alpha of an image, packed by the library rle-pack (thi.ng/umbrella).

    Args:
        values: bytes as numbers.
        size: height and width of the image.
        where: for errors.

    Raises:
        CytopipeError: the bytes are not those of an image of this size.
    """
    height, width = size
    total = height * width * 4
    fault = CytopipeError(
        "the brush's bytes are not those of a mask of this image", where=where, hint="export the annotations again"
    )
    if total > 8 * MOST_PIXELS:
        raise CytopipeError(
            f"a brush on an image of {width:,} x {height:,} px is not read", where=where, hint="export polygons"
        )
    try:
        data = np.array(values, np.uint8)
    except (OverflowError, TypeError, ValueError):
        raise fault from None
    bits = _Bits(data, fault)
    if data.ndim != 1 or bits.read(32) != total:
        raise fault
    word = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    if word != 8:
        raise fault
    flat = np.zeros(total, np.uint8)
    at = 0
    while at < total:
        repeats = bits.read(1)
        stop = at + 1 + bits.read(sizes[bits.read(2)])
        if stop > total:
            raise fault
        flat[at:stop] = bits.read(word) if repeats else bits.words(stop - at)
        at = stop
    return PlacedMask.of(flat.reshape(height, width, 4)[..., 3] > 0)


class _Bits:
    """Reads numbers of some bits from bytes, the most significant bit first."""

    def __init__(self, data: np.ndarray, fault: CytopipeError) -> None:
        self._bits, self._at, self._fault = np.unpackbits(data), 0, fault

    def _next(self, count: int) -> np.ndarray:
        found = self._bits[self._at : self._at + count]
        if len(found) < count:
            raise self._fault
        self._at += count
        return found

    def read(self, count: int) -> int:
        """The next number of `count` bits."""
        return int("".join(map(str, self._next(count).tolist())), 2)

    def words(self, count: int) -> np.ndarray:
        """The next `count` numbers of 8 bits."""
        return np.packbits(self._next(8 * count))


def _lengths(values: Sequence[object], where: str) -> np.ndarray:
    if len(values) > _LONGEST:
        raise CytopipeError(f"a mask of {len(values):,} runs is no cell", where=where)
    return np.array([whole(value, "the length of a run", where) for value in values], np.int64)


def _ends(lengths: np.ndarray, pixels: int, where: str) -> np.ndarray:
    """The end of each run.

    Raises:
        CytopipeError: together they do not have the pixels of the image.
    """
    total = int(lengths.sum())
    if total != pixels or (len(lengths) and lengths.min() < 0):
        raise CytopipeError(
            f"the runs of this mask have {total:,} pixels, its size says {pixels:,}",
            where=where,
            hint="export the annotations again",
        )
    return np.cumsum(lengths)


def _letters(lengths: Sequence[int]) -> str:
    text = []
    for place, length in enumerate(lengths):
        value = length - lengths[place - 2] if place > 2 else length
        while True:
            code, value = value & 31, value >> _WORD
            more = value != (-1 if code & 16 else 0)
            text.append(chr(48 + code + (32 if more else 0)))
            if not more:
                break
    return "".join(text)


def _decompressed(text: str, where: str) -> np.ndarray:
    """Lengths of a compressed mask: five bits a letter, each length from the third on less that two before."""
    lengths: list[int] = []
    value, shift = 0, 0
    if len(text) > _LONGEST:
        raise CytopipeError(f"a mask of {len(text):,} letters is no cell", where=where)
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 40:
            raise CytopipeError(f"{letter!r} is no letter of a compressed mask of COCO", where=where)
        value |= (code & 31) << shift
        shift += _WORD
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        if len(lengths) > 2:
            value += lengths[-2]
        if value < 0:
            break
        lengths.append(value)
        value, shift = 0, 0
    if value or shift:
        raise CytopipeError("the compressed mask is cut off or damaged", where=where, hint="export it again")
    return np.array(lengths, np.int64)
