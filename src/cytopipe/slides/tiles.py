"""The tiles that a slide is screened by, and their parts for many jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from cytopipe.errors import CytopipeError
from cytopipe.screening.detectors import Region
from cytopipe.slides.tissue import Tissue
from cytopipe.slides.view import View

SIDE = 2048  # of a tile without its margin, pixels of the view
T = TypeVar("T")


@dataclass(frozen=True)
class Tile:
    """A tile: its place in reading order, its row and column among the tiles, and its pixels in the view."""

    number: int
    row: int
    column: int
    core: Region


@dataclass(frozen=True)
class Part:
    """One of several equal parts of the work, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Of "3/16".

        Raises:
            CytopipeError: it is no such fraction.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise CytopipeError(f"'{text}' is no part", where="--part", hint="--part 3/16 is the third of 16 parts")
        return cls(int(found[1]), int(found[2]))

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Its share of the items: consecutive ones; all parts together have each item once."""
        start, stop = (len(items) * number // self.count for number in (self.number - 1, self.number))
        return items[start:stop]


WHOLE = Part(1, 1)


def grid(size: tuple[int, int], side: int) -> list[Tile]:
    """All tiles of a view, whose size is (height, width), in reading order."""
    height, width = size
    rows, columns = -(-height // side), -(-width // side)
    found = []
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        top, left = row * side, column * side
        core = Region(top, left, min(top + side, height), min(left + side, width))
        found.append(Tile(number, row, column, core))
    return found


def with_tissue(tiles: Sequence[Tile], view: View, tissue: Tissue) -> list[Tile]:
    """The tiles that are not empty."""
    factor = view.factor

    def shows(core: Region) -> bool:
        return tissue.within(*(edge * factor for edge in (core.top, core.left, core.bottom, core.right)))

    return [tile for tile in tiles if shows(tile.core)]
