"""Layout: where the cells of a field lie, so that they overlap but never hide an annotated nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cytopipe.errors import CytopipeError
from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.anatomy import Cell, draw_cell
from cytopipe_phantoms.outlines import Polygon, half_width
from cytopipe_phantoms.spec import CellClass, Phantom

COARSE = 8  # full-size pixels to a side of the occupancy map's squares
RIM = 30.0  # annotated cells keep this far from the field's edge, full-size pixels
TRIALS = 80  # places tried for a cell


@dataclass(frozen=True)
class Layout:
    """The cells of one field, in full-size pixels.

    Attributes:
        annotated: cells wholly within the field, in the order of their numbers.
        bystanders: cells that the field's edge cuts, which are not annotated.
        leukocytes: (N, 2) centres.
    """

    annotated: tuple[Cell, ...]
    bystanders: tuple[Cell, ...]
    leukocytes: NDArray[np.float64]


class Ground:
    """The part of the field that is covered already, on a coarse map."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        shape = (height // COARSE + 1, width // COARSE + 1)
        self.cells = np.zeros(shape, np.uint8)
        self.nuclei = np.zeros(shape, np.uint8)

    def fill(self, polygon: Polygon) -> NDArray[np.uint8]:
        """The squares that a polygon touches, as a map of 0 and 1."""
        squares = np.zeros_like(self.cells)
        cv2.fillPoly(squares, [np.rint(polygon / COARSE).astype(np.int32)], 1)
        return squares

    def holds(self, polygon: Polygon) -> bool:
        """Whether a polygon lies wholly within the field."""
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        return bool(low.min() >= RIM and high[0] <= self.width - 1 - RIM and high[1] <= self.height - 1 - RIM)

    def has_room(self, cell: Cell, overlap: float) -> bool:
        """Whether a cell may lie here: overlaps at most a share `overlap` of itself, and no nucleus is covered."""
        body, nucleus = self.fill(cell.cytoplasm), self.fill(cell.nucleus)
        covered = int(np.count_nonzero(body & self.cells))
        if covered > overlap * max(int(np.count_nonzero(body)), 1):
            return False
        return not (body & self.nuclei).any() and not (nucleus & self.cells).any()

    def take(self, cell: Cell) -> None:
        """Marks a cell's place as taken."""
        self.cells |= self.fill(cell.cytoplasm)
        nucleus = self.fill(cell.nucleus)
        self.nuclei |= np.asarray(cv2.dilate(nucleus, np.ones((3, 3), np.uint8)), dtype=np.uint8)


def lay_out(
    phantom: Phantom, name: str, count: int, preference: NDArray[np.float64], rng: np.random.Generator
) -> Layout:
    """Lays the cells of one field.

    Args:
        phantom: the biology table.
        name: class of the annotated cells.
        count: how many annotated cells to lay; fewer where there is no room for more.
        preference: (3,) the slide's factors on the shares of cells that take each counterstain.
        rng: the slide's generator of shapes.

    Raises:
        CytopipeError: not one cell of the class fits the field.
    """
    kind, clutter = phantom.classes[name], phantom.clutter
    ground = Ground(phantom.field.width, phantom.field.height)
    annotated: list[Cell] = []
    for _ in range(count):
        cell = draw_cell(kind, preference, rng)
        if (laid := _lay_inside(cell, annotated, kind, ground, rng)) is not None:
            annotated.append(laid)
            ground.take(laid)
    if not annotated:
        raise CytopipeError(
            f"a cell does not fit the field of {ground.width} x {ground.height}",
            where=f"classes.{name}.shape.radius",
            hint="make the cells smaller or the field larger",
        )
    bystanders = []
    names = list(phantom.classes)
    for _ in range(draws.poisson(clutter.border_cells, rng)):
        own = rng.random() < clutter.border_cells_of_own_class
        other = names[int(rng.integers(len(names)))]
        cell = draw_cell(phantom.classes[name if own else other], preference, rng)
        if (laid := _lay_on_edge(cell, ground, rng)) is not None:
            bystanders.append(laid)
            ground.take(laid)
    sd = clutter.leukocytes_spread
    spread = draws.lognormal(-sd * sd / 2, sd, rng)
    leukocytes = _scatter(draws.poisson(clutter.leukocytes * spread, rng), ground, rng)
    return Layout(tuple(annotated), tuple(bystanders), leukocytes)


def _lay_inside(
    cell: Cell, others: list[Cell], kind: CellClass, ground: Ground, rng: np.random.Generator
) -> Cell | None:
    """Lays a cell beside one of `others` or anywhere in the field; None where no trial finds room."""
    size = np.array([ground.width, ground.height], dtype=np.float64)
    radius = half_width(cell.cytoplasm)
    grouped = others and rng.random() < kind.grouping.clustered
    for trial in range(TRIALS):
        if grouped and trial < TRIALS // 2:
            anchor = others[int(rng.integers(len(others)))]
            direction, near = rng.uniform(0, 2 * np.pi), rng.uniform(1 - 1.3 * kind.grouping.overlap, 1.05)
            step = near * (radius + half_width(anchor.cytoplasm))
            centre = outlines.middle(anchor.cytoplasm) + step * exact.direction(direction)
        else:
            centre = rng.uniform(0, size)
        laid = cell.at(centre)
        if ground.holds(laid.cytoplasm) and ground.has_room(laid, kind.grouping.overlap):
            return laid
    return None


def _lay_on_edge(cell: Cell, ground: Ground, rng: np.random.Generator) -> Cell | None:
    """Lays a cell across the field's edge; None where no trial finds room."""
    radius = half_width(cell.cytoplasm)
    for _ in range(TRIALS // 4):
        along, depth = rng.random(), rng.uniform(-0.5, 0.6) * radius
        side = int(rng.integers(4))
        far = (ground.width if side % 2 == 0 else ground.height) - depth
        across = depth if side < 2 else far
        x, y = (across, along * ground.height) if side % 2 == 0 else (along * ground.width, across)
        laid = cell.at(np.array([x, y]))
        if not ground.holds(laid.cytoplasm) and ground.has_room(laid, 0.35):
            return laid
    return None


def _scatter(count: int, ground: Ground, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres of up to `count` leukocytes, some in heaps, none on a nucleus: (N, 2)."""
    size = np.array([ground.width, ground.height], dtype=np.float64)
    centres: list[NDArray[np.float64]] = []
    for _ in range(count):
        heap = centres and rng.random() < 0.5
        near = centres[int(rng.integers(len(centres)))] + draws.normals(0, 45, 2, rng) if heap else rng.uniform(0, size)
        centre = np.clip(near, 0, size - 1)
        column, row = (centre / COARSE).astype(int)
        reach = 4  # squares: a leukocyte's radius
        if not ground.nuclei[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1].any():
            centres.append(centre)
    return np.array(centres).reshape(-1, 2)
