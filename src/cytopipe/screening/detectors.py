"""Cell detection in a field of any size: the interface of a detector, and the tiling that finds each cell once.

For a region of the field, a detector returns evidence: a mask of where cells may be, and one seed per cell. The seeds
grow over the mask by a watershed on the distance to them. The result does not depend on the tiles: the evidence is
computed on one grid for the whole field, a cell depends on nothing farther away than the margin around a tile, and it
belongs to the tile that contains the centre of its seed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import cv2
import numpy as np
from scipy import ndimage
from scipy.ndimage import find_objects
from skimage.segmentation import watershed

from cytopipe.core.params import Reading
from cytopipe.data.imaging.boxes import Box, overlap
from cytopipe.data.imaging.fields import Field
from cytopipe.screening.cells import DetectedCell

TILE = 2048  # side of a tile without its margin, in points of the detector's grid
SAME = 0.9  # intersection over union of two boxes from which they are the same cell, found in two tiles
RECENT = 4096  # number of previous cells that a new one is compared with, so that none is returned twice
Place = tuple[slice, slice]  # rows and columns of a region


@dataclass(frozen=True)
class Region:
    """Part of a detector's grid: rows `top` to `bottom` and columns `left` to `right`, the ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.bottom - self.top, self.right - self.left

    def widened(self, margin: int, rows: int, columns: int) -> Region:
        """The region with a margin on every side, clipped to a grid of this many rows and columns."""
        return Region(
            max(self.top - margin, 0),
            max(self.left - margin, 0),
            min(self.bottom + margin, rows),
            min(self.right + margin, columns),
        )


@dataclass(frozen=True)
class Part:
    """The outline of one cell, which may overlap others.

    Attributes:
        place: rows and columns of the region that `mask` covers.
        mask: H x W bool.
        score: of the cell, 0 to 1.
        nucleated: whether the cell's seed is its nucleus.
    """

    place: Place
    mask: np.ndarray
    score: float
    nucleated: bool


@dataclass(frozen=True)
class Evidence:
    """The output of a detector for a region of its grid.

    Attributes:
        probability: H x W float32, probability of a cell at each point; its mean over a seed is the cell's score.
        mask: H x W bool, where cells may be.
        seeds: H x W int32, 0 or the number of a seed; one seed per cell.
        nuclei: whether the seeds are segmented nuclei, so that their outlines are those of the nuclei.
        lone: whether a connected part of the mask without a seed is a cell too.
        parts: outlines by number of the seed, from 1, where the detector gives them itself; None for a seed that is no
            cell. Without them the seeds grow over the mask.
    """

    probability: np.ndarray
    mask: np.ndarray
    seeds: np.ndarray
    nuclei: bool
    lone: bool
    parts: Sequence[Part | None] | None = None


EvidenceReader = Callable[[Region], Evidence]


class CellDetector(Protocol):
    """A detector of cells, which works on a grid of points over the field.

    Attributes:
        step: distance between neighbouring points of the grid, in pixels of the field.
        radius: maximum distance of a cell's outline from its seed, in points of the grid.
        margin: points around a region that the cells in it can depend on: through their seeds and outlines, and
            through the seeds and outlines of neighbours that compete for the same points.
        min_area: minimum area of a cell, in points of the grid.
        box: side in pixels of the square that replaces the outline of every cell; None if cells have outlines.
        reading: how a field's file must be read for it.
    """

    step: int
    radius: int
    margin: int
    min_area: int
    box: int | None
    reading: Reading

    def prepare(self, field: Field) -> EvidenceReader:
        """Compute what depends on the whole field, such as a threshold; the result maps regions to their evidence.

        A point has the same evidence in every region that contains it, apart from seeds that the region's border cuts.
        """
        ...


def find_cells(field: Field, detector: CellDetector, tile: int = TILE) -> Iterator[DetectedCell]:
    """Find each cell of a field once.

    Args:
        field: a field of any size; only one tile of it is in memory at a time.
        detector: the detector to use.
        tile: side of a tile without its margin, in points of the detector's grid; affects only memory and speed.

    Yields:
        The cells, tile by tile in reading order; within a tile in the order of their seeds' numbers.
    """
    look = detector.prepare(field)
    rows, columns = -(-field.height // detector.step), -(-field.width // detector.step)
    recent: deque[Box] = deque(maxlen=RECENT)
    for top, left in product(range(0, rows, tile), range(0, columns, tile)):
        core = Region(top, left, min(top + tile, rows), min(left + tile, columns))
        found = list(_in_tile(field, detector, look, core, core.widened(detector.margin, rows, columns)))
        new = [cell for cell in found if all(overlap(cell.box, other) < SAME for other in recent)]
        recent.extend(cell.box for cell in new)
        yield from new


def _in_tile(
    field: Field, detector: CellDetector, look: EvidenceReader, core: Region, region: Region
) -> Iterator[DetectedCell]:
    evidence = look(region)
    if detector.box is not None:
        yield from _squares(field, detector, evidence, core, region, detector.box)
        return
    if evidence.parts is not None:
        yield from _given(field, detector, evidence, evidence.parts, core, region)
        return
    grown = grow_seeds(evidence.seeds, evidence.mask, detector.radius, region)
    count = int(evidence.seeds.max(initial=0))
    seeds = evidence.seeds
    if evidence.lone:
        lone = parts_without_seed(evidence.mask, seeds, 2 * detector.radius)
        seeds, grown = (np.where(lone > 0, lone + count, labels) for labels in (seeds, grown))
    for number, (seed, place) in enumerate(zip(find_objects(seeds), find_objects(grown), strict=True), start=1):
        if seed is None or place is None or not _owns(core, _middle(seeds[seed] == number, seed, region)):
            continue
        part = ndimage.binary_fill_holes(grown[place] == number)
        if part.sum() < detector.min_area:
            continue
        contour, box, area = _outline(part, place, field, detector.step, region)
        nucleus = None
        if evidence.nuclei and number <= count:
            nucleus = _outline(seeds[seed] == number, seed, field, detector.step, region)[0]
        score = float(evidence.probability[seed][seeds[seed] == number].mean())
        yield DetectedCell(box, contour, nucleus, area, score, _is_cut(box, field))


def _given(
    field: Field, detector: CellDetector, evidence: Evidence, parts: Sequence[Part | None], core: Region, region: Region
) -> Iterator[DetectedCell]:
    """The cells whose outlines the detector gives, where the centre of their seed lies in the tile."""
    for number, (seed, part) in enumerate(zip(find_objects(evidence.seeds), parts, strict=True), start=1):
        if seed is None or part is None or part.mask.sum() < detector.min_area:
            continue
        own = evidence.seeds[seed] == number
        if not _owns(core, _middle(own, seed, region)):
            continue
        contour, box, area = _outline(part.mask, part.place, field, detector.step, region)
        nucleus = _outline(own, seed, field, detector.step, region)[0] if part.nucleated else None
        yield DetectedCell(box, contour, nucleus, area, part.score, _is_cut(box, field))


def _squares(
    field: Field, detector: CellDetector, evidence: Evidence, core: Region, region: Region, side: int
) -> Iterator[DetectedCell]:
    """A square around the centre of every seed in the tile, clipped to the field."""
    for number, seed in enumerate(find_objects(evidence.seeds), start=1):
        middle = _middle(evidence.seeds[seed] == number, seed, region)
        if not _owns(core, middle):
            continue
        top, left = (round((value + 0.5) * detector.step - side / 2) for value in middle)
        box = max(left, 0), max(top, 0), min(left + side, field.width), min(top + side, field.height)
        corners = [box[:2], (box[2] - 1, box[1]), (box[2] - 1, box[3] - 1), (box[0], box[3] - 1)]
        area = (box[2] - box[0]) * (box[3] - box[1])
        score = float(evidence.probability[seed][evidence.seeds[seed] == number].mean())
        yield DetectedCell(box, np.array(corners, np.int32), None, area, score, _is_cut(box, field))


def _middle(seed: np.ndarray, place: Place, region: Region) -> tuple[float, float]:
    """Centre of a seed as (row, column) on the grid of the field; the seed is a bool mask at `place` in the region."""
    rows, columns = np.nonzero(seed)
    return rows.mean() + place[0].start + region.top, columns.mean() + place[1].start + region.left


def _owns(core: Region, middle: tuple[float, float]) -> bool:
    return core.top <= int(middle[0]) < core.bottom and core.left <= int(middle[1]) < core.right


def _is_cut(box: Box, field: Field) -> bool:
    return min(box[:2]) == 0 or box[2] == field.width or box[3] == field.height


def grow_seeds(seeds: np.ndarray, mask: np.ndarray, radius: int, region: Region) -> np.ndarray:
    """Grow seeds over a mask by a watershed on the distance to the nearest seed.

    Args:
        seeds: H x W int32, 0 or a seed's number.
        mask: H x W bool, where seeds may grow.
        radius: maximum distance from the seed, in points.
        region: position of these points on the grid of the field.

    Returns:
        H x W int32, 0 or the number of the seed that a point belongs to.
    """
    if not seeds.any():
        return np.zeros_like(seeds)
    distance = cv2.distanceTransform((seeds == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The order in which equal points are flooded would depend on the tile, so that a tiny pattern breaks all ties.
    rows, columns = np.ogrid[region.top : region.bottom, region.left : region.right]
    landscape = distance + 1e-4 * ((rows * 0.7548776662466927 + columns * 0.5698402909980532) % 1)
    allowed = (mask & (distance <= radius)) | (seeds > 0)
    grown: np.ndarray = watershed(landscape, seeds, mask=allowed)  # type: ignore[no-untyped-call]  # as find_contours
    return grown


def parts_without_seed(mask: np.ndarray, seeds: np.ndarray, longest: int) -> np.ndarray:
    """Connected parts of the mask that contain no seed and are no longer than a cell.

    The margin is wide enough that a part that the tile's border cuts is too long or has its centre in another tile.

    Args:
        mask: H x W bool.
        seeds: H x W int32, 0 or a seed's number.
        longest: maximum height and width of a part, in points.

    Returns:
        H x W int32, 0 or the number of a part, from 1.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    is_cell = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) <= longest
    is_cell[[0, *np.unique(labels[seeds > 0])]] = False
    numbers = np.where(is_cell, np.cumsum(is_cell), 0).astype(np.int32)
    parts: np.ndarray = numbers[labels]
    return parts


def _outline(part: np.ndarray, place: Place, field: Field, step: int, region: Region) -> tuple[np.ndarray, Box, int]:
    """Contour, box and area, in pixels of the field, of a cell that is a bool mask at `place` in the region."""
    padded: np.ndarray = np.pad(part.astype(np.uint8) * 255, 1)
    top, left = ((axis.start + start - 1) * step for axis, start in zip(place, (region.top, region.left), strict=True))
    if step > 1:
        size = (padded.shape[1] * step, padded.shape[0] * step)
        padded = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR)
    inside = (padded > 127).astype(np.uint8)
    inside[: max(-top, 0)] = 0
    inside[:, : max(-left, 0)] = 0
    inside[max(field.height - top, 0) :] = 0
    inside[:, max(field.width - left, 0) :] = 0
    found, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
    contour = max(found, key=cv2.contourArea)[:, 0].astype(np.int32)
    (x, y), (right, bottom) = contour.min(axis=0).tolist(), contour.max(axis=0).tolist()
    return contour, (x, y, right + 1, bottom + 1), int(inside.sum())
