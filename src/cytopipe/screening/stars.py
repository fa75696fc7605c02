"""Star-convex outlines from nuclei: each drawn as a mask, and those of one cell reduced to one.

Schmidt et al. 2018, "Cell Detection with Star-convex Polygons", arXiv:1806.03535. Unlike there, an outline is decided
by several points of a nucleus, and a cell is left out if any better one covers it, whether that is kept or not: what
becomes of a cell depends on its neighbours alone, and not on the rest of the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

VOTERS = 9  # points of a nucleus, those nearest to its middle, that vote on its outline
SHIFT = 3  # fractional bits of the corners of a polygon


@dataclass(frozen=True)
class Star:
    """A cell: its mask at (top, left) of a grid, H x W bool, its score, 0 to 1, and the weight of its nucleus.

    The weight is the sum of the probabilities of its points: of two outlines of one cell, that from the heavier nucleus
    is the better one. The other may be from a leukocyte that lies on the cell, or from a part of the nucleus.
    """

    top: int
    left: int
    mask: np.ndarray
    score: float
    weight: float

    @property
    def bottom(self) -> int:
        """First row below the mask."""
        return self.top + len(self.mask)

    @property
    def right(self) -> int:
        """First column to the right of the mask."""
        return self.left + int(self.mask.shape[1])


def vote(middles: np.ndarray, rays: np.ndarray, shape: tuple[int, int]) -> tuple[int, int, np.ndarray] | None:
    """The outline that most of some points of one nucleus agree on.

    Args:
        middles: K x 2 float, row and column of the points on a grid.
        rays: K x R float, lengths in points of the grid; the first ray to the right, then downwards.
        shape: rows and columns of the grid, to which the outline is clipped.

    Returns:
        Top and left of the mask, and the mask, H x W bool; None if nothing is left.
    """
    angles = np.arange(rays.shape[1]) * (2 * np.pi / rays.shape[1])
    rows = middles[:, :1] + rays * np.sin(angles)
    columns = middles[:, 1:] + rays * np.cos(angles)
    top, left = max(int(np.floor(rows.min())), 0), max(int(np.floor(columns.min())), 0)
    bottom, right = min(int(np.ceil(rows.max())) + 1, shape[0]), min(int(np.ceil(columns.max())) + 1, shape[1])
    if top >= bottom or left >= right:
        return None
    votes = np.zeros((bottom - top, right - left), np.uint8)
    for y, x in zip(rows - top, columns - left, strict=True):
        one = np.zeros_like(votes)
        corners = np.rint(np.stack([x, y], axis=1) * (1 << SHIFT)).astype(np.int32)
        cv2.fillPoly(one, [corners], 1, shift=SHIFT)
        votes += one
    mask = votes * 2 > len(middles)
    return (top, left, mask) if mask.any() else None


def without_doubles(stars: Sequence[Star | None], most: float) -> list[bool]:
    """Whether each star is kept: it shares no more than `most` of the smaller one's area with any better star.

    Args:
        stars: the cells; None is never kept. Of two equal weights the first is the better one.
        most: intersection over the smaller area above which two stars are one cell.
    """
    weights = [0.0 if star is None else star.weight for star in stars]
    order = sorted((place for place, star in enumerate(stars) if star), key=lambda place: (-weights[place], place))
    kept = [star is not None for star in stars]
    boxes = np.array([_box(stars[place]) for place in order], float).reshape(-1, 4)
    for rank, place in enumerate(order):
        top, left, bottom, right = boxes[rank]
        better = boxes[:rank]
        near = (better[:, 0] < bottom) & (better[:, 2] > top) & (better[:, 1] < right) & (better[:, 3] > left)
        if any(_shared(stars[place], stars[order[other]]) > most for other in np.flatnonzero(near)):
            kept[place] = False
    return kept


def _box(star: Star | None) -> tuple[int, int, int, int]:
    assert star is not None
    return star.top, star.left, star.bottom, star.right


def _shared(one: Star | None, other: Star | None) -> float:
    assert one is not None and other is not None
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom, right = min(one.bottom, other.bottom), min(one.right, other.right)
    if top >= bottom or left >= right:
        return 0.0
    parts = [
        star.mask[top - star.top : bottom - star.top, left - star.left : right - star.left] for star in (one, other)
    ]
    both = int(np.count_nonzero(parts[0] & parts[1]))
    return both / min(int(one.mask.sum()), int(other.mask.sum()))
