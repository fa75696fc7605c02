"""Masks as polygons and polygons as masks, without losing a pixel either way.

One rule says which pixels a polygon holds: `masks.fill_polygon`, which reproduces SIPaKMeD's own masks. A polygon that
is written here holds the same pixels by that rule and by the usual one, that a pixel belongs to the polygon in which
its centre lies: it runs along the borders of the outermost pixels, a hundredth of a pixel inside them. Pixel (0, 0)
covers the square from (0, 0) to (1, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.masks import fill_polygon

Ring = list[tuple[float, float]]  # (x, y) in pixels from the field's upper left corner; the last point is the first
Polygon = list[Ring]  # the outer ring, and those of its holes
Rings = Sequence[np.ndarray]  # the same as arrays P x 2, closed or not
_INSET = 0.01  # pixels
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # east, south, west, north; y points down
_DOUBLE = (0b0101, 0b1010)  # two borders leave a corner at which two pixels touch
_TO_MASK = ((0, 1), (-1, 0), (0, -1), (1, 0))  # the side on which the mask lies, at the right of each direction


@dataclass(frozen=True)
class PlacedMask:
    """The pixels of one thing in a field.

    Attributes:
        left, top: of the mask in the field, pixels.
        mask: H x W bool, with no empty row or column at its borders.
    """

    left: int
    top: int
    mask: np.ndarray

    @property
    def box(self) -> Box:
        """Left, top, right and bottom in the field, the last two exclusive."""
        height, width = self.mask.shape
        return self.left, self.top, self.left + width, self.top + height

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    def within(self, box: Box) -> np.ndarray:
        """What shows of it in a box of the field, H x W bool."""
        left, top, right, bottom = box
        shown = np.zeros((bottom - top, right - left), bool)
        x0, y0 = max(left, self.left), max(top, self.top)
        x1, y1 = min(right, self.box[2]), min(bottom, self.box[3])
        if x0 < x1 and y0 < y1:
            part = self.mask[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left]
            shown[y0 - top : y1 - top, x0 - left : x1 - left] = part
        return shown

    @classmethod
    def of(cls, mask: np.ndarray, left: int = 0, top: int = 0) -> PlacedMask | None:
        """That of the pixels of `mask`, H x W bool, whose corner lies at (left, top); None if it has none."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return None
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(left + int(columns[0]), top + int(rows[0]), np.ascontiguousarray(part))


def fill(polygons: Sequence[Rings], size: tuple[int, int]) -> PlacedMask | None:
    """The pixels of polygons, each an outer ring and its holes; where a ring crosses itself, the even-odd rule holds.

    Args:
        polygons: rings P x 2 float, x and y in pixels, at least three points each.
        size: height and width of the field; what lies outside is cut off.

    Returns:
        None where no pixel of the field belongs to them.
    """
    height, width = size
    points = np.concatenate([polygon[0] for polygon in polygons])
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0).tolist()
    right, bottom = (np.ceil(points.max(axis=0)).astype(int) + 2).tolist()
    shape = min(bottom, height) - top, min(right, width) - left
    if min(shape) <= 0:
        return None
    whole = np.zeros(shape, bool)
    for outer, *holes in polygons:
        canvas = np.zeros(shape, np.uint8)
        fill_polygon(canvas, outer - (left, top), 1)
        for hole in holes:
            fill_polygon(canvas, hole - (left, top), 0)
        whole |= canvas.astype(bool)
    return PlacedMask.of(whole, left, top)


def polygons_of(mask: np.ndarray, left: int = 0, top: int = 0) -> list[Polygon]:
    """The polygons of a mask, H x W bool, one for each part whose pixels touch, if only by corners.

    Outer rings run as RFC 7946 asks, holes the other way. No ring touches itself or another.

    Args:
        mask: H x W bool.
        left, top: of the mask in the field, pixels.
    """
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    outer: dict[int, Polygon] = {}
    holes: list[tuple[int, Ring]] = []
    for (x, y), corners in _walk(mask):
        part = int(parts[y, x])
        if part not in outer:  # a part's topmost row is met first, and its upper side is of the outer ring
            outer[part] = [_ring(corners, left, top, 1)]
        else:
            holes.append((part, _ring(corners, left, top, -1)))
    for part, ring in holes:
        outer[part].append(ring)
    return [outer[part] for part in sorted(outer)]


def outline_of(mask: np.ndarray, left: int = 0, top: int = 0) -> np.ndarray:
    """The outermost pixels of the largest part of a mask in order, P x 2 int32 (x, y), not closed."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    return max(found, key=lambda contour: (cv2.contourArea(contour), len(contour)))[:, 0].astype(np.int32)


_Corner = tuple[int, int, int, int, bool]  # x, y, direction in, direction out, whether two rings or passes meet here


def _walk(mask: np.ndarray) -> list[tuple[tuple[int, int], list[_Corner]]]:
    """Every ring of borders between mask and rest: a pixel of the mask at its beginning, and its corners.

    The mask is at the right hand. Where two of its pixels touch by a corner alone, the ring passes from one to the
    other (8-connected mask).
    """
    padded = np.pad(mask.astype(bool), 1)
    inner = padded[1:-1, 1:-1]
    stride = mask.shape[1] + 1
    sides = np.zeros(
        (mask.shape[0] + 1, stride), np.uint8
    )  # of each corner: a bit for each direction a border leaves in
    sides[:-1, :-1] |= inner & ~padded[:-2, 1:-1]  # upper sides, to the east
    sides[:-1, 1:] |= (inner & ~padded[1:-1, 2:]).astype(np.uint8) << 1  # right sides, to the south
    sides[1:, 1:] |= (inner & ~padded[2:, 1:-1]).astype(np.uint8) << 2  # lower sides, to the west
    sides[1:, :-1] |= (inner & ~padded[1:-1, :-2]).astype(np.uint8) << 3  # left sides, to the north
    steps = (1, stride, -1, -stride)
    leaves, to_go = sides.tobytes(), bytearray(sides.tobytes())
    rings = []
    for start in np.flatnonzero(sides & 1).tolist():
        if not to_go[start] & 1:
            continue
        corners: list[_Corner] = []
        at, direction = start, 0
        while to_go[at] & 1 << direction:
            to_go[at] ^= 1 << direction
            at += steps[direction]
            left = (direction + 3) % 4  # a turn to the left comes first
            onward = left if leaves[at] & 1 << left else direction
            if not leaves[at] & 1 << onward:
                onward = (direction + 1) % 4
            if onward != direction:
                y, x = divmod(at, stride)
                corners.append((x, y, direction, onward, leaves[at] in _DOUBLE))
                direction = onward
        y, x = divmod(start, stride)
        rings.append(((x, y), corners))
    return rings


def _ring(corners: list[_Corner], left: int, top: int, side: int) -> Ring:
    """The ring through corners, moved a little to the side of the mask (1) or away from it (-1)."""
    points: list[tuple[float, float]] = []
    for x, y, came, goes, is_double in corners:
        (ax, ay), (bx, by) = _TO_MASK[came], _TO_MASK[goes]
        if is_double and side > 0:  # from a pixel to the one at its corner, beside the pass back
            points.append(_moved(x, y, ax - 2 * _STEPS[came][0], ay - 2 * _STEPS[came][1], left, top))
            points.append(_moved(x, y, bx + 2 * _STEPS[goes][0], by + 2 * _STEPS[goes][1], left, top))
        else:
            points.append(_moved(x, y, side * (ax + bx), side * (ay + by), left, top))
    return [*points, points[0]]


def _moved(x: int, y: int, across: int, down: int, left: int, top: int) -> tuple[float, float]:
    return round(left + x + _INSET * across, 2), round(top + y + _INSET * down, 2)
