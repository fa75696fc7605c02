"""Matching of detected cells to annotated cells in a field: one to one, at an IoU of at least 0.5.

Only whole cells are annotated. A detection of a cell that the edge of the field cuts can be judged neither right nor
wrong, so detections near the edge without a match are not counted; see `EDGE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from cytopipe.data.imaging.masks import fill_polygon

LEAST_IOU = 0.5  # of a match
EDGE = (
    0.02  # width of the strip along the edge, as a share of the field's shorter side; phantoms annotate no cell in it
)
KINDS = ("boxes", "contours")  # of overlap


class Shape:
    """The filled area of a closed contour.

    Args:
        contour: P x 2, x and y in pixels of the field.

    Attributes:
        box: bounding box (left, top, right, bottom) in pixels, the last two exclusive.
        mask: height x width booleans inside the box.
    """

    def __init__(self, contour: np.ndarray) -> None:
        points = np.asarray(contour, float)
        if len(points) < 3:  # a point or a line
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
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    def iou(self, other: Shape) -> float:
        """Intersection over union with another shape of the same field."""
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
    """An annotated cell; its contour is P x 2, x and y in pixels of the field."""

    id: str
    label: str
    contour: np.ndarray

    @cached_property
    def shape(self) -> Shape:
        """Filled."""
        return Shape(self.contour)


@dataclass(frozen=True)
class Detection:
    """A detected cell.

    Attributes:
        box: (left, top, right, bottom) in pixels of the field, the last two exclusive.
        contour: P x 2, x and y in pixels of the field.
        score: of the detector; only the order of scores matters.
        label: predicted class.
        confidence: calibrated probability of this class; None if it is not known.
        abnormal: calibrated probability of the abnormal classes together; None if no class is abnormal.
    """

    box: tuple[int, int, int, int]
    contour: np.ndarray
    score: float
    label: str
    confidence: float | None = None
    abnormal: float | None = None

    @cached_property
    def shape(self) -> Shape:
        """Filled."""
        return Shape(self.contour)


@dataclass(frozen=True)
class ScreenedField:
    """A field with its annotated and its detected cells.

    Attributes:
        id, group: of the field.
        height, width: in pixels.
        true: N annotated cells.
        found: M detected cells.
    """

    id: str
    group: str
    height: int
    width: int
    true: Sequence[TrueCell]
    found: Sequence[Detection]

    @cached_property
    def at_edge(self) -> np.ndarray:
        """M booleans: whether the box of a detected cell reaches into the strip along the edge."""
        strip = EDGE * min(self.height, self.width)
        boxes = np.array([one.box for one in self.found], float).reshape(-1, 4)
        inside = (boxes[:, :2] >= strip).all(axis=1)
        inside &= (boxes[:, 2] <= self.width - strip) & (boxes[:, 3] <= self.height - strip)
        return ~inside

    @cached_property
    def overlaps(self) -> dict[str, np.ndarray]:
        """M x N intersection over union of detected and annotated cells, by kind."""
        boxes = _box_ious([one.box for one in self.found], [one.shape.box for one in self.true])
        contours = np.array([[one.shape.iou(other.shape) for other in self.true] for one in self.found])
        return {"boxes": boxes, "contours": contours.reshape(boxes.shape)}

    def matches(self, kind: str, score_from: float = -np.inf) -> dict[int, int]:
        """Index of the annotated cell of each matched detection, among detections with at least this score."""
        kept = [place for place, one in enumerate(self.found) if one.score >= score_from]
        return {kept[row]: column for row, column in assign(self.overlaps[kind][kept]).items()}

    def counts(self, kind: str, score_from: float = -np.inf) -> list[int]:
        """Indices of the detections that count: all but those at the edge without a match."""
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
    """Pair rows with columns: as many pairs as possible, and among these the largest total overlap.

    Args:
        overlaps: M x N, 0 to 1.
        least: smallest overlap of a pair.

    Returns:
        The column of each row that has a partner.

    >>> assign(np.array([[0.9, 0.6], [0.6, 0.1]]))
    {0: 1, 1: 0}
    """
    # One more pair is worth more than any gain in overlap.
    worth = np.where(overlaps >= least, overlaps + 1 + min(overlaps.shape), 0)
    pairs = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    return {int(row): int(column) for row, column in pairs if overlaps[row, column] >= least}
