"""What every format of annotations comes down to: outlines and boxes with a class, by image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.data.imaging.outlines import PlacedMask, fill
from cytopipe.errors import CytopipeError

UNCLASSIFIED = "unclassified"  # the class of annotations that have none
MOST_POINTS = 100_000  # of a ring; an outline that is drawn by hand or found by a network has some hundred
MOST_PIXELS = 4096 * 4096  # of the box around an outline; a cell has a thousandth of that
_FARTHEST = 1e7  # pixels
_ELLIPSE = 72  # points of an ellipse


@dataclass(frozen=True)
class Outline:
    """The outline of one thing: polygons, or its pixels where the format gives them.

    Attributes:
        polygons: each an outer ring and its holes, P x 2 float, x and y in pixels of the image.
        mask: the pixels, instead of polygons.
    """

    polygons: tuple[tuple[np.ndarray, ...], ...] = ()
    mask: PlacedMask | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least and largest x and y: left, top, right, bottom."""
        if self.mask is not None:
            left, top, right, bottom = self.mask.box
            return left, top, right, bottom
        points = np.concatenate([polygon[0] for polygon in self.polygons])
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return left, top, right, bottom

    def fill(self, size: tuple[int, int]) -> PlacedMask | None:
        """Its pixels within an image of (height, width); None if it has none there."""
        if self.mask is None:
            return fill(self.polygons, size)
        left, top, right, bottom = self.mask.box
        shown = max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])
        if shown[0] >= shown[2] or shown[1] >= shown[3]:
            return None
        return PlacedMask.of(self.mask.within(shown), shown[0], shown[1])


@dataclass(frozen=True)
class Annotation:
    """One annotation of an image.

    Attributes:
        label: its class as the file writes it; UNCLASSIFIED if it has none.
        where: place in the file, for errors.
        outline: None where there is a box alone.
        box: left, top, right and bottom in pixels; None where there is an outline.
        nucleus: outline of the nucleus, where the format has it beside that of the cell.
        pair: what annotations of one cell have in common, where the format says it.
    """

    label: str
    where: str
    outline: Outline | None = None
    box: tuple[float, float, float, float] | None = None
    nucleus: Outline | None = None
    pair: str | None = None


@dataclass(frozen=True)
class AnnotatedImage:
    """The annotations of one image.

    Attributes:
        names: what the image may be called, the most exact first.
        where: place in the file, for errors.
        annotations: in the order of the file.
        size: height and width of the image as the file says them, if it does.
    """

    names: tuple[str, ...]
    where: str
    annotations: tuple[Annotation, ...]
    size: tuple[int, int] | None = None


def number(value: object, where: str) -> float:
    """A finite number of a size that a coordinate may have.

    Raises:
        CytopipeError: it is none.
    """
    try:
        found = float(value)  # type: ignore[arg-type]  # whatever a file holds
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not abs(found) <= _FARTHEST:
        raise CytopipeError(f"{str(value)[:40]!r} is no coordinate", where=where, hint="export the annotations again")
    return found


def ring(points: Iterable[Sequence[object]], where: str) -> np.ndarray:
    """A ring P x 2 float of pairs of coordinates.

    Raises:
        CytopipeError: for fewer than three points or more than MOST_POINTS, and for what is no pair of coordinates.
    """
    pairs = list(points)
    if len(pairs) > MOST_POINTS:
        raise CytopipeError(
            f"a polygon of {len(pairs):,} points; at most {MOST_POINTS:,} are read",
            where=where,
            hint="simplify it, or remove it if it outlines no cell",
        )
    if any(isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) < 2 for pair in pairs):
        raise CytopipeError("a point of this polygon is no pair of coordinates", where=where)
    found = np.array([(number(pair[0], where), number(pair[1], where)) for pair in pairs]).reshape(-1, 2)
    if len(np.unique(found, axis=0)) < 3:
        raise CytopipeError(
            f"a polygon needs 3 points, this has {len(np.unique(found, axis=0))}", where=where, hint="remove it"
        )
    return found


def flat_ring(values: Sequence[object], where: str) -> np.ndarray:
    """A ring of x1, y1, x2, y2, ...

    Raises:
        CytopipeError: as `ring`, and for an odd number of values.
    """
    if len(values) % 2:
        raise CytopipeError(f"a polygon of {len(values)} values: they are no pairs of x and y", where=where)
    return ring(list(zip(values[::2], values[1::2], strict=True)), where)


def polygon(points: np.ndarray) -> Outline:
    """The outline of one ring."""
    return Outline(((points,),))


def ellipse(middle: tuple[float, float], radii: tuple[float, float], degrees: float, where: str) -> Outline:
    """An ellipse as a polygon, turned clockwise as it is seen."""
    along = np.arange(_ELLIPSE) * (2 * math.pi / _ELLIPSE)
    points = np.stack([radii[0] * np.cos(along), radii[1] * np.sin(along)], axis=1)
    return polygon(ring((turned(points, degrees) + middle).tolist(), where))


def turned_box(box: tuple[float, float, float, float], degrees: float, where: str) -> Outline:
    """A box turned around its middle.

    Args:
        box: left, top, right and bottom, pixels.
        degrees: clockwise as it is seen.
        where: its place in the file, for errors.

    Raises:
        CytopipeError: it has no area, or a number is not finite.
    """
    left, top, right, bottom = box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return polygon(ring((turned(corners - middle, degrees) + middle).tolist(), where))


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points P x 2, turned around (0, 0), clockwise as they are seen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    result: np.ndarray = points @ np.array([[cos, sin], [-sin, cos]])
    return result
