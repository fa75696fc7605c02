"""Screened cells as OME-NGFF labels (version 0.4, Zarr version 2): one label image of the cells, one of their nuclei.

https://ngff.openmicroscopy.org/0.4/#labels-md. The folder is the group `labels` of an OME-Zarr image.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageColor

from cytopipe.errors import CytopipeError
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.identity import cell_id
from cytopipe.screening.picture import UNCLASSIFIED
from cytopipe.screening.polygons import pixels
from cytopipe.screening.screen import ScreenedCell

logger = logging.getLogger("cytopipe")
CHUNK = 512  # side of a chunk, pixels
_KEPT = 64  # chunks in memory, 1 MiB each
_SMALLEST = 512  # pixels: no level of the pyramid is made of one that is smaller
IMAGES = ("cells", "nuclei")


class LabelsWriter:
    """Draws the number of each cell into its pixels, chunk by chunk, as the cells arrive.

    Where cells overlap, a pixel keeps the first: a label image holds one number for a pixel. How many are hidden
    is logged and noted.

    Args:
        folder: of the labels, which is made.
        size: height and width of the field in pixels.
        colours: colour of each class, "#rrggbb".
        screening: what ids are derived from: see `identity.screening_of`.
        pixel_size_um: side of a pixel in micrometres, if it is known.

    Raises:
        CytopipeError: the extra `slides` is not installed.
    """

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int],
        colours: Mapping[str, str],
        screening: str,
        pixel_size_um: float | None = None,
    ) -> None:
        try:
            import zarr
        except ImportError:
            raise CytopipeError(
                "labels in OME-NGFF need the package zarr", hint="pip install 'cytopipe[slides]'"
            ) from None
        self._root = zarr.open_group(str(folder), mode="w", zarr_format=2)
        self._root.attrs["labels"] = list(IMAGES)
        self._size, self._colours, self._screening = size, colours, screening
        self._pixel_size_um = pixel_size_um
        self._canvases = {name: _Canvas(self._level(name, 0, size)) for name in IMAGES}
        self._cells: list[tuple[int, str, str]] = []  # number, class, id

    def _level(self, name: str, level: int, size: tuple[int, int]) -> Any:
        from numcodecs import Zlib

        return self._root.create_array(
            f"{name}/{level}",
            shape=size,
            chunks=(CHUNK, CHUNK),
            dtype="int32",
            fill_value=0,
            compressors=Zlib(1),  # the same bytes on every machine
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )

    def add(self, number: int, screened: ScreenedCell, classes: Sequence[str]) -> None:
        """Draw a cell, and its nucleus if it has one."""
        cell, prediction = screened.cell, screened.prediction
        label = prediction.predicted if prediction else UNCLASSIFIED
        self._cells.append((number, label, cell_id(self._screening, cell)))
        for name, contour in zip(IMAGES, _contours(cell), strict=True):
            if contour is not None:
                self._canvases[name].draw(*pixels(contour), number)

    def close(self) -> None:
        """Write what is still in memory, the smaller levels and the metadata."""
        for name, canvas in self._canvases.items():
            canvas.flush()
            levels = self._pyramid(name, canvas.array)
            self._root[name].attrs.update(self._metadata(name, levels, canvas.hidden))
            if canvas.hidden:
                logger.warning("labels of %s: %d pixels belong to two, and have the first", name, canvas.hidden)

    def _pyramid(self, name: str, array: Any) -> int:
        """Write every second pixel of each level as the next one, and return their number."""
        level = 0
        while max(array.shape) > _SMALLEST:
            level += 1
            smaller = self._level(name, level, (-(-array.shape[0] // 2), -(-array.shape[1] // 2)))
            for top, left in _corners(smaller.shape):
                part = array[2 * top : 2 * (top + CHUNK) : 2, 2 * left : 2 * (left + CHUNK) : 2]
                if part.any():
                    smaller[top : top + CHUNK, left : left + CHUNK] = part
            array = smaller
        return level + 1

    def _metadata(self, name: str, levels: int, hidden: int) -> dict[str, Any]:
        side = self._pixel_size_um or 1.0
        unit = {"unit": "micrometer"} if self._pixel_size_um else {}
        datasets = [
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": [side * 2**level] * 2}],
            }
            for level in range(levels)
        ]
        return {
            "multiscales": [
                {
                    "version": "0.4",
                    "name": name,
                    "axes": [{"name": axis, "type": "space", **unit} for axis in "yx"],
                    "datasets": datasets,
                }
            ],
            "image-label": {
                "version": "0.4",
                "colors": [
                    {"label-value": number, "rgba": [*ImageColor.getrgb(self._colours[label])[:3], 255]}
                    for number, label, _ in self._cells
                ],
                "properties": [
                    {"label-value": number, "class": label, "uuid": uuid} for number, label, uuid in self._cells
                ],
                "source": {"image": "../../"},
            },
            "hidden_pixels": hidden,
        }


class _Canvas:
    """An array of labels that is drawn into; the chunks that were drawn into last are kept in memory."""

    def __init__(self, array: Any) -> None:
        self.array, self.hidden = array, 0
        self._chunks: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def draw(self, mask: np.ndarray, left: int, top: int, number: int) -> None:
        """Give a number to the pixels of a mask, H x W bool, that have none."""
        height, width = mask.shape
        for row in range(top // CHUNK, (top + height - 1) // CHUNK + 1):
            for column in range(left // CHUNK, (left + width - 1) // CHUNK + 1):
                chunk = self._chunk(row, column)
                y, x = row * CHUNK, column * CHUNK
                first, start = max(top, y), max(left, x)
                last, stop = min(top + height, y + chunk.shape[0]), min(left + width, x + chunk.shape[1])
                shown = mask[first - top : last - top, start - left : stop - left]
                part = chunk[first - y : last - y, start - x : stop - x]
                free = part == 0
                self.hidden += int(np.count_nonzero(shown & ~free))
                part[shown & free] = number

    def _chunk(self, row: int, column: int) -> np.ndarray:
        place = row, column
        if place in self._chunks:
            self._chunks.move_to_end(place)
            return self._chunks[place]
        if len(self._chunks) >= _KEPT:
            self._store(*self._chunks.popitem(last=False))
        read = self.array[row * CHUNK : (row + 1) * CHUNK, column * CHUNK : (column + 1) * CHUNK]
        self._chunks[place] = np.array(read)
        return self._chunks[place]

    def _store(self, place: tuple[int, int], chunk: np.ndarray) -> None:
        y, x = place[0] * CHUNK, place[1] * CHUNK
        self.array[y : y + chunk.shape[0], x : x + chunk.shape[1]] = chunk

    def flush(self) -> None:
        """Write every chunk."""
        while self._chunks:
            self._store(*self._chunks.popitem(last=False))


def _contours(cell: DetectedCell) -> tuple[np.ndarray, np.ndarray | None]:
    return cell.contour, cell.nucleus


def _corners(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    yield from ((top, left) for top in range(0, size[0], CHUNK) for left in range(0, size[1], CHUNK))
