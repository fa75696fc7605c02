"""Cells found in a field against the cells annotated in it: one to one, where they overlap by half.

Annotated are whole cells alone. What a detector tells of a cell that the edge of the field cuts can be neither right
nor wrong, so found cells without a partner that come near the edge count as nothing; see `EDGE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from cytopipe.imaging.masks import fill_polygon

LEAST_IOU = 0.5  # of a match
EDGE = 0.02  # width of the strip along the edge, share of the field's shorter side: phantoms annotate no cell in it
KINDS = ("boxes", "contours")  # what overlaps


class Shape:
    """A closed outline, filled.

    Args:
        contour: P x 2, x and y in pixels of the field.

    Attributes:
        box: (left, top, right, bottom) about its pixels, the last two exclusive.
        mask: height x width bool of that box.
    """

    def __init__(self, contour: np.ndarray) -> None:
        points = np.asarray(contour, float)
        if len(points) < 3:  # a speck or a line
            points = np.concatenate([points, points, points])[: max(3, len(points))]
        left, top = np.floor(points.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(points.max(axis=0)).astype(int) + 2
        canvas = np.zeros((bottom - top, right - left), np.uint8)
        fill_polygon(canvas, points - (left, top), 1)
        rows, columns = np.flatnonzero(canvas.any(axis=1)), np.flatnonzero(canvas.any(axis=0))
        self.mask = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(bool)
        self.box = (
            int(left + columns[0]),
            int(top + rows[0]),
            int(left + columns[-1] + 1),
            int(top + rows[-1] + 1),
        )

    @cached_property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    def iou(self, other: Shape) -> float:
        """Intersection over union of the pixels."""
        left, top = np.maximum(self.box[:2], other.box[:2])
        right, bottom = np.minimum(self.box[2:], other.box[2:])
        if left >= right or top >= bottom:
            return 0.0
        own, its = (one._part(left, top, right, bottom) for one in (self, other))
        both = int(np.count_nonzero(own & its))
        return both / (self.area + other.area - both)

    def _part(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        x, y = self.box[:2]
        return self.mask[top - y : bottom - y, left - x : right - x]


@dataclass(frozen=True)
class TrueCell:
    """An annotated cell: its outline is P x 2, x and y in pixels of the field."""

    id: str
    label: str
    contour: np.ndarray

    @cached_property
    def shape(self) -> Shape:
        """Filled."""
        return Shape(self.contour)


@dataclass(frozen=True)
class Detection:
    """A found cell.

    Attributes:
        box: (left, top, right, bottom) in pixels of the field, the last two exclusive.
        contour: P x 2, x and y in pixels of the field.
        score: of the detector; only its order counts.
        label: class that the classifier names.
    """

    box: tuple[int, int, int, int]
    contour: np.ndarray
    score: float
    label: str

    @cached_property
    def shape(self) -> Shape:
        """Filled."""
        return Shape(self.contour)


@dataclass(frozen=True)
class ScreenedField:
    """A field with what is in it and what was found.

    Attributes:
        id, group: of the field.
        height, width: pixels.
        true: its annotated cells.
        found: the cells that were found.
    """

    id: str
    group: str
    height: int
    width: int
    true: Sequence[TrueCell]
    found: Sequence[Detection]

    @cached_property
    def at_edge(self) -> np.ndarray:
        """M bool: found cells whose box reaches into the strip along the edge."""
        strip = EDGE * min(self.height, self.width)
        boxes = np.array([one.box for one in self.found], float).reshape(-1, 4)
        inside = (boxes[:, :2] >= strip).all(axis=1)
        inside &= (boxes[:, 2] <= self.width - strip) & (boxes[:, 3] <= self.height - strip)
        return ~inside

    @cached_property
    def overlaps(self) -> dict[str, np.ndarray]:
        """M x N intersection over union of found and true cells, by kind."""
        boxes = _box_ious([one.box for one in self.found], [one.shape.box for one in self.true])
        contours = np.array([[one.shape.iou(other.shape) for other in self.true] for one in self.found])
        return {"boxes": boxes, "contours": contours.reshape(boxes.shape)}

    def matches(self, kind: str, score_from: float = -np.inf) -> dict[int, int]:
        """Found to true cells, by their places, among the found ones of at least this score."""
        kept = [place for place, one in enumerate(self.found) if one.score >= score_from]
        return {kept[row]: column for row, column in assign(self.overlaps[kind][kept]).items()}

    def counts(self, kind: str, score_from: float = -np.inf) -> list[int]:
        """Places of the found cells that count: not those without a partner at the edge."""
        matched = self.matches(kind, score_from)
        return [
            place
            for place, one in enumerate(self.found)
            if one.score >= score_from and (place in matched or not self.at_edge[place])
        ]


def _box_ious(found: Sequence[tuple[int, ...]], true: Sequence[tuple[int, ...]]) -> np.ndarray:
    """M x N intersection over union of boxes."""
    one, other = np.array(found, float).reshape(-1, 1, 4), np.array(true, float).reshape(1, -1, 4)
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    areas = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1)
    ious: np.ndarray = both / (areas - both)
    return ious


def assign(overlaps: np.ndarray, least: float = LEAST_IOU) -> dict[int, int]:
    """The most pairs of rows and columns that overlap by at least `least`, each in one pair; of these the closest.

    Args:
        overlaps: M x N, 0 to 1.
        least: of a pair.

    >>> assign(np.array([[0.9, 0.6], [0.6, 0.1]]))
    {0: 1, 1: 0}
    """
    # One more pair outweighs any overlaps of the others.
    worth = np.where(overlaps >= least, overlaps + 1 + min(overlaps.shape), 0)
    pairs = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    return {int(row): int(column) for row, column in pairs if overlaps[row, column] >= least}
