"""Cells at the seams between tiles: each once, and none lost, though two tiles may see it a little differently.

A cell belongs to the tile that holds the centre of its box. The outline of a cell may differ by a pixel between two
tiles, so that its centre lies in both of them, or in neither. Of cells that overlap and were found in different tiles,
one is kept; a cell whose centre lies a little outside its tile is kept if no tile has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cytopipe.data.imaging.boxes import Box, overlap
from cytopipe.screening.detectors import Region

BEYOND = 8  # pixels of the view that the centre of a cell may lie outside its tile
BAND = 128  # pixels on both sides of a seam in which cells are compared
SAME = 0.5  # intersection over union of two boxes of different tiles from which they are one cell


@dataclass(frozen=True)
class Seen:
    """A cell near a seam.

    Attributes:
        tile: number of its tile.
        order: its place among all cells of the slide.
        box: in pixels of the view.
        owned: whether its centre lies in its tile.
    """

    tile: int
    order: int
    box: Box
    owned: bool


def owns(core: Region, box: Box) -> bool:
    """Whether the centre of a box lies in a tile."""
    x, y = box[0] + box[2], box[1] + box[3]
    return 2 * core.left <= x < 2 * core.right and 2 * core.top <= y < 2 * core.bottom


def near(core: Region, box: Box) -> bool:
    """Whether the centre of a box lies in a tile, or at most BEYOND outside it."""
    return owns(Region(core.top - BEYOND, core.left - BEYOND, core.bottom + BEYOND, core.right + BEYOND), box)


def at_seam(core: Region, box: Box) -> bool:
    """Whether a cell must be compared with those of other tiles."""
    inner = Region(core.top + BAND, core.left + BAND, core.bottom - BAND, core.right - BAND)
    return not owns(inner, box) or (
        min(box[0] - core.left, box[1] - core.top, core.right - box[2], core.bottom - box[3]) < BEYOND
    )


def dropped(seen: Iterable[Seen]) -> set[int]:
    """The places of cells that another tile has too, or has better.

    Args:
        seen: all cells near seams, in their order.
    """
    cells = list(seen)
    kept: dict[tuple[int, int], list[Seen]] = defaultdict(list)
    gone: set[int] = set()
    for one in [*(one for one in cells if one.owned), *(one for one in cells if not one.owned)]:
        places = _places(one.box)
        others = (other for place in places for other in kept[place] if other.tile != one.tile)
        if any(overlap(one.box, other.box) >= SAME for other in others):
            gone.add(one.order)
            continue
        for place in places:
            kept[place].append(one)
    return gone


def _places(box: Box) -> list[tuple[int, int]]:
    """Squares of a grid that a box touches."""
    left, top, right, bottom = (value // BAND for value in (box[0], box[1], box[2] - 1, box[3] - 1))
    return [(row, column) for row in range(top, bottom + 1) for column in range(left, right + 1)]
