"""Cell detection by a segmenter that slides over the field: its nuclei are the seeds, which grow over its cell mask.

A segmenter that was trained on crops of single cells finds nuclei, but it has learnt that a cell fills its window and
takes background for a cell. Its nuclei therefore grow over the foreground of the field instead of its cell mask. Where
windows overlap, their centres have more weight than their borders, where the network sees only parts of cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from cytopipe.core.params import Reading
from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.fields import Field
from cytopipe.data.imaging.sliding_window import starts, stitch
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model
from cytopipe.models.inference.segment import HEADS, Segmentation
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.screening.detectors import Evidence, EvidenceReader, Region
from cytopipe.screening.foreground import REACH, Foreground, grey_of

SAMPLES = 6  # windows along each side that decide whether cells are dark or bright


class SegmenterDetector:
    """Finds cells and nuclei with a segmenter.

    Args:
        folder: model folder of the segmenter.
        device: device to predict on.
        scale: pixels of the network's input per pixel of the field; None: as in the training.
        overlap: overlap of neighbouring windows, as a share of a window.
        cell: minimum probability of a point of a cell.
        nucleus: minimum probability of a point of a nucleus.
        least_nucleus: minimum area of a nucleus, as a share of the square of a typical cell's longer side.
        least_cell: minimum area of a cell, in the same unit.
        reach: maximum distance of a cell's outline from its nucleus, as a share of a typical cell's longer side.
        lone: whether to keep cells without a visible nucleus; None: only if the network's cell mask is used.
        foreground: whether nuclei grow over the foreground of the field (what is darker, or brighter, than its
            background) instead of the network's cell mask; None: only for networks that were trained on crops.

    Raises:
        CytopipeError: the model is not a segmenter, or its scale is unknown.
    """

    box: int | None = None

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        scale: float | None = None,
        *,
        overlap: float = 0.5,
        cell: float = 0.5,
        nucleus: float = 0.5,
        least_nucleus: float = 0.015,
        least_cell: float = 0.12,
        reach: float = 1.25,
        lone: bool | None = None,
        foreground: bool | None = None,
    ) -> None:
        model, spec = load_model(folder, device)
        if spec.task != "segmentation":
            raise CytopipeError("this model is a classifier, not a segmenter", where=folder)
        self.reading = spec.reading or Reading()
        self._segmentation = Segmentation.of(model, spec, device)
        view = self._segmentation.view
        sizes = spec.typical_sizes or TypicalSizes()
        self.scale = scale or (view.scale if view.view == "tiles" else _scale_of(sizes, view.input_size, folder))
        native = max(1, round(view.input_size / self.scale))
        # The grid is not finer than the network's output, and a window covers an integer number of its points.
        self.step = max(1, native // view.input_size)
        self._side = max(1, round(native / self.step))
        self._overlap, self._cell, self._nucleus = overlap, cell, nucleus
        crops = view.view == "whole"
        # If the training recorded no size of cells: most of a crop, or half a tile.
        typical = (sizes.cell_side or native * (0.9 if crops else 0.5)) / self.step
        self.radius = max(1, round(reach * typical))
        self._longest = max(1, round(typical))  # of a nucleus
        self.margin = 2 * (self.radius + self._longest) + REACH + 2
        self.min_area = max(1, round(least_cell * typical**2))
        self._least_nucleus = max(1, round(least_nucleus * typical**2))
        self._foreground = crops if foreground is None else foreground
        self._lone = not self._foreground if lone is None else lone

    def prepare(self, field: Field) -> EvidenceReader:
        """See `CellDetector`; the threshold of the foreground, if it is used, is computed here."""
        rows, columns = -(-field.height // self.step), -(-field.width // self.step)
        tops = starts(max(rows, self._side), self._side, self._overlap)
        lefts = starts(max(columns, self._side), self._side, self._overlap)

        foreground = Foreground.of(field, self._likely(field, tops, lefts)) if self._foreground else None

        def look(region: Region) -> Evidence:
            shown = foreground.mask(field, region, self.step) if foreground else None
            return self._evidence(self._probabilities(field, region, tops, lefts), shown)

        return look

    def _probabilities(self, field: Field, region: Region, tops: list[int], lefts: list[int]) -> np.ndarray:
        """Probabilities of cell and nucleus in a region, H x W x 2: weighted means over the windows that touch it."""
        side, step = self._side, self.step
        touched = [left for left in lefts if region.left - side < left < region.right]
        start, width = touched[0], touched[-1] + side - touched[0]
        corners = [(top, left) for top in tops if region.top - side < top < region.bottom for left in touched]

        def windows() -> Iterator[np.ndarray]:
            for top in dict.fromkeys(top for top, _ in corners):
                strip = field.read(top * step, start * step, side * step, width * step)
                shown = [
                    self._window(strip[:, (left - start) * step : (left - start + side) * step]) for left in touched
                ]
                for values in self._segmentation.probabilities(np.stack(shown)):
                    yield cv2.resize(values, (side, side), interpolation=cv2.INTER_LINEAR)

        origin = region.top, region.left
        return stitch(windows(), corners, (*region.shape, len(HEADS)), origin, _weights(side))

    def _likely(self, field: Field, tops: list[int], lefts: list[int]) -> np.ndarray:
        """Grey values of probable nuclei in some windows all over the field."""
        some = [(top, left) for top in _spread(tops) for left in _spread(lefts)]
        windows = np.stack([self._window(field.read(*self._place(*corner))) for corner in some])
        return grey_of(windows)[self._segmentation.probabilities(windows)[..., 1] >= self._nucleus]

    def _place(self, top: int, left: int) -> tuple[int, int, int, int]:
        """Position of a window in pixels of the field: top, left, height, width."""
        return top * self.step, left * self.step, self._side * self.step, self._side * self.step

    def _window(self, image: np.ndarray) -> np.ndarray:
        side = self._segmentation.view.input_size
        return resize_rgb(image, (side, side))

    def _evidence(self, probabilities: np.ndarray, foreground: np.ndarray | None) -> Evidence:
        cell, nucleus = probabilities[..., 0], probabilities[..., 1]
        mask = cell >= self._cell if foreground is None else foreground
        seeds = large_parts(mask & (nucleus >= self._nucleus), self._least_nucleus, self._longest)
        probability = np.maximum(cell, nucleus) if foreground is None else nucleus
        return Evidence(probability, mask, seeds, nuclei=True, lone=self._lone)


def _spread(values: list[int]) -> list[int]:
    """At most SAMPLES of the values, evenly spread."""
    return values[:: -(-len(values) // SAMPLES)]


def _weights(side: int) -> np.ndarray:
    """Weights of the points of a window, side x side x 1 float32: 1 in the centre, nearly 0 at the border."""
    along = np.sin(np.pi * (np.arange(side) + 0.5) / side).astype(np.float32) ** 2 + np.float32(1e-3)
    return np.outer(along, along)[..., None]


def large_parts(mask: np.ndarray, least: int, longest: int) -> np.ndarray:
    """Connected parts of an H x W bool mask with a minimum area and a maximum height and width, in points.

    Returns:
        H x W int32, 0 or the number of a part, from 1.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= least
    kept &= stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) <= longest
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    parts: np.ndarray = numbers[labels]
    return parts


def _scale_of(sizes: TypicalSizes, input_size: int, folder: Path) -> float:
    if sizes.image_side is None:
        raise CytopipeError(
            "the model does not say how large the cells were that it was trained on",
            where=folder,
            hint=f"name a scale: --scale {input_size} / the longer side in pixels of a cell with a small margin",
        )
    return input_size / sizes.image_side
