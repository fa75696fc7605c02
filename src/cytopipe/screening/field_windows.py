"""A network on the windows of a field, which lie on one grid of the whole field whatever region is asked for.

A point's values are those of the window whose core holds it. The windows begin at multiples of CORE points and overlap
by the network's reach, so that nothing that it sees of a point is cut off; the colours are those of the training's
constants, not of the field. A region therefore gets the same values whoever asks for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.fields import Field
from cytopipe.screening.detectors import Region

CORE = 384  # side of a window without its margins, in points of the grid
KEPT = 64  # windows that are remembered, as neighbouring tiles ask for the same


class Values(NamedTuple):
    """Outputs of a network.

    Attributes:
        maps: H x W x C float32, a value for every point of the grid.
        rays: H/2 x W/2 x R float32, lengths in pixels of the network's input; None if it gives none.
        exact: whether values are numbers, between which there are none.
    """

    maps: np.ndarray
    rays: np.ndarray | None = None
    exact: bool = False


Network = Callable[[np.ndarray], Values]  # h x w x 3 uint8, sides multiples of `multiple`


@dataclass(frozen=True)
class WindowGrid:
    """How a field is cut for a network.

    Attributes:
        network: gives values at every `stride` pixels of its input.
        stride: pixels of the network's input from one output to the next.
        multiple: the sides of the network's input are multiples of it.
        scale: pixels of the network's input for a pixel of the field.
        step: pixels of the field from one point of the grid to the next.
        margin: points around a core that its values depend on.
    """

    network: Network
    stride: int
    multiple: int
    scale: float
    step: int
    margin: int

    @property
    def unit(self) -> int:
        """Points of which the sides and the first points of windows are multiples."""
        return max(2, self.multiple // self.stride)


class FieldValues:
    """The values of a network at the points of a field's grid.

    Args:
        field: the field.
        grid: how it is cut.
    """

    def __init__(self, field: Field, grid: WindowGrid) -> None:
        self.field, self.grid = field, grid
        self.rows, self.columns = -(-field.height // grid.step), -(-field.width // grid.step)
        self._known: OrderedDict[tuple[int, int], Values] = OrderedDict()

    def maps(self, region: Region) -> np.ndarray:
        """The maps of a region, H x W x C float32."""
        found: np.ndarray | None = None
        for top, left in _cores(region):
            part = self._core(top, left).maps
            if found is None:
                found = np.zeros((*region.shape, part.shape[2]), np.float32)
            low, high = max(top, region.top), min(top + CORE, region.bottom)
            first, last = max(left, region.left), min(left + CORE, region.right)
            inside = part[low - top : high - top, first - left : last - left]
            found[low - region.top : high - region.top, first - region.left : last - region.left] = inside
        assert found is not None
        return found

    def rays(self, points: np.ndarray) -> np.ndarray:
        """Rays of P points, P x R float32 in points of the grid.

        Args:
            points: P x 2 int, row and column of each in the grid of the rays, every second point of the field's.
        """
        found: np.ndarray | None = None
        cores = points * 2 // CORE * CORE
        for top, left in np.unique(cores, axis=0).tolist():
            here = (cores == (top, left)).all(axis=1)
            part = self._core(top, left).rays
            assert part is not None
            rows, columns = points[here].T - np.array([[top // 2], [left // 2]])
            if found is None:
                found = np.zeros((len(points), part.shape[2]), np.float32)
            found[here] = part[rows, columns]
        assert found is not None
        return found

    def windows(self, region: Region) -> Iterator[tuple[Region, Region, np.ndarray]]:
        """Core, window and maps (H x W x C float32) of every window whose cells may lie in a region."""
        for top, left in _cores(region):
            down, across, given, _ = self._window(top, left)
            core = Region(top, left, min(top + CORE, self.rows), min(left + CORE, self.columns))
            height, width = down[1] - down[0], across[1] - across[0]
            yield core, Region(down[0], across[0], down[1], across[1]), _resized(given.maps, height, width, given.exact)

    def _core(self, top: int, left: int) -> Values:
        if (top, left) not in self._known:
            self._known[top, left] = self._look(top, left)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[top, left]

    def _look(self, top: int, left: int) -> Values:
        """Values of the core that begins at (top, left), clipped to the field; its rays are float16."""
        down, across, given, shown = self._window(top, left)
        height, width = down[1] - down[0], across[1] - across[0]
        rows = slice(top - down[0], min(top + CORE, self.rows) - down[0])
        columns = slice(left - across[0], min(left + CORE, self.columns) - across[0])
        maps = np.ascontiguousarray(_resized(given.maps, height, width, given.exact)[rows, columns])
        if given.rays is None:
            return Values(maps)
        half = tuple(slice(side.start // 2, -(-side.stop // 2)) for side in (rows, columns))
        rays = _resized(given.rays, height // 2, width // 2)[half] * (height / shown)
        return Values(maps, rays.astype(np.float16))

    def _window(self, top: int, left: int) -> tuple[tuple[int, int], tuple[int, int], Values, int]:
        """Rows and columns of the window of a core, what the network says of it, and the height that it was shown."""
        step = self.grid.step
        down, across = self._extent(top, self.rows), self._extent(left, self.columns)
        height, width = down[1] - down[0], across[1] - across[0]
        image = self.field.read(down[0] * step, across[0] * step, height * step, width * step)
        size = self._side(height), self._side(width)
        return down, across, self.grid.network(image if image.shape[:2] == size else resize_rgb(image, size)), size[0]

    def _extent(self, start: int, length: int) -> tuple[int, int]:
        """First and last point of a window along one side: the field's own edge ends it, rounded up to a unit."""
        unit = self.grid.unit
        first = max(start - -(-self.grid.margin // unit) * unit, 0)
        last = min(start + CORE + self.grid.margin, length)
        return first, first + -(-(last - first) // unit) * unit

    def _side(self, points: int) -> int:
        """Pixels of the network's input for a number of points."""
        return max(1, round(points * self.grid.step * self.grid.scale / self.grid.multiple)) * self.grid.multiple


def _cores(region: Region) -> Iterator[tuple[int, int]]:
    """First row and column of every core that a region touches."""
    for top in range(region.top // CORE * CORE, region.bottom, CORE):
        for left in range(region.left // CORE * CORE, region.right, CORE):
            yield top, left


def _resized(values: np.ndarray, height: int, width: int, exact: bool = False) -> np.ndarray:
    """H x W x C float32 in another size, bilinearly or, if exact, by the nearest values."""
    if values.shape[:2] == (height, width):
        return values
    larger: np.ndarray = cv2.resize(
        values, (width, height), interpolation=cv2.INTER_NEAREST_EXACT if exact else cv2.INTER_LINEAR
    )
    return larger.reshape(height, width, -1)
