"""Cell detection by a network that others exported: probabilities, a distance, or label maps become cells.

Label maps are made anew in every window, so that a cell is taken from the window in whose core its centre lies.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import find_objects, maximum_filter

from cytopipe.core.params import Reading
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.exported import Exported
from cytopipe.models.folder import load_model
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.screening.detectors import Evidence, EvidenceReader, Part, Region
from cytopipe.screening.field_windows import FieldValues, Values, WindowGrid


class ExportedDetector:
    """Finds cells with a network that others exported.

    Args:
        folder: model folder of the segmenter (`architecture: torchscript` or `onnx`).
        device: device to predict on.
        scale: pixels of the network's input per pixel of the field; None: as params.yaml says.
        cell: minimum probability of a point of a cell.
        nucleus: minimum probability of a point of a nucleus.
        least_cell: minimum area of a cell, as a share of the square of a typical cell's longer side.
        reach: maximum distance of a cell's outline from its seed, as a share of a typical cell's longer side.

    Raises:
        CytopipeError: the model is none of these.
    """

    box: int | None = None

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        scale: float | None = None,
        *,
        cell: float = 0.5,
        nucleus: float = 0.5,
        least_cell: float = 0.05,
        reach: float = 1.25,
    ) -> None:
        model, spec = load_model(folder, device)
        if spec.view is None or not isinstance(model, Exported):
            raise CytopipeError("this model is no detector that others exported", where=folder)
        self.reading = spec.reading or Reading()
        self._model, self._transform = model, InputTransform("rgb", spec.mean, spec.std, device)
        self.scale = scale or spec.view.scale
        self.step = max(1, round(1 / self.scale))
        self._cell, self._nucleus = cell, nucleus
        side = (spec.typical_sizes or TypicalSizes()).cell_side or spec.view.input_size / 4
        typical = max(2.0, side * spec.view.scale / self.scale / self.step)
        self._typical = round(typical)
        self.radius = max(1, round(reach * typical))
        self.margin = 2 * (self.radius + self._typical) + 2
        self.min_area = max(1, round(least_cell * typical**2))
        self._grid = WindowGrid(self._forward, 1, model.multiple, self.scale, self.step, model.margin)

    def prepare(self, field: Field) -> EvidenceReader:
        """See `CellDetector`; nothing depends on the whole field but what the network itself makes of a window."""
        values = FieldValues(field, self._grid)
        if self._model.output == "labels":
            return lambda region: self._labelled(values, region)
        return lambda region: self._evidence(values.maps(region))

    def _forward(self, image: np.ndarray) -> Values:
        with torch.inference_mode():
            raw = self._model(self._transform(torch.from_numpy(np.ascontiguousarray(image))[None]))["raw"]
        return Values(raw[0].permute(1, 2, 0).cpu().contiguous().numpy(), exact=self._model.output == "labels")

    def _evidence(self, maps: np.ndarray) -> Evidence:
        cell = np.ascontiguousarray(maps[..., 0])
        mask = cell >= self._cell
        if maps.shape[2] == 1:
            return Evidence(cell, mask, np.zeros(mask.shape, np.int32), nuclei=False, lone=True)
        second = np.ascontiguousarray(maps[..., 1])
        if self._model.output == "probability":
            return Evidence(cell, mask, _parts(mask & (second >= self._nucleus)), nuclei=True, lone=True)
        highest = maximum_filter(second, size=max(3, self._typical // 2 * 2 + 1))
        return Evidence(cell, mask, _parts(mask & (second >= highest) & (second > 0)), nuclei=False, lone=False)

    def _labelled(self, values: FieldValues, region: Region) -> Evidence:
        """Cells of the label maps of every window that the region touches; the seed of a cell is its nucleus."""
        seeds = np.zeros(region.shape, np.int32)
        parts: list[Part | None] = []
        for core, window, maps in values.windows(region):
            labels = _in_order(maps[..., -1])
            nuclei = maps[..., 0] > 0 if maps.shape[2] > 1 else np.zeros(labels.shape, bool)
            for number, place in enumerate(find_objects(labels), start=1):
                assert place is not None  # they are numbered without gaps
                whole = labels[place] == number
                top, left = place[0].start + window.top, place[1].start + window.left
                rows, columns = np.nonzero(whole)
                middle = int(rows.mean()) + top, int(columns.mean()) + left
                if not (core.top <= middle[0] < core.bottom and core.left <= middle[1] < core.right):
                    continue
                inner = whole & nuclei[place]
                seed, part = (_within(mask, top, left, region) for mask in (inner if inner.any() else whole, whole))
                if seed is None or part is None:
                    continue
                parts.append(Part(*part, 1.0, bool(inner.any())))
                seeds[seed[0]][seed[1] & (seeds[seed[0]] == 0)] = len(parts)
        shown = seeds > 0
        last = int(seeds.max(initial=0))  # the seeds after it are hidden by others
        return Evidence(shown.astype(np.float32), shown, seeds, False, False, tuple(parts[:last]))


def _within(mask: np.ndarray, top: int, left: int, region: Region) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """A mask at (top, left) of the field's grid as place and mask in a region; None if it lies outside."""
    first, last = max(top, region.top), min(top + mask.shape[0], region.bottom)
    start, stop = max(left, region.left), min(left + mask.shape[1], region.right)
    if first >= last or start >= stop:
        return None
    place = slice(first - region.top, last - region.top), slice(start - region.left, stop - region.left)
    return place, mask[first - top : last - top, start - left : stop - left]


def _in_order(labels: np.ndarray) -> np.ndarray:
    """Labels, H x W float, as numbers from 1 without gaps; 0 and less is background. H x W int32."""
    kept = np.where(labels > 0, np.rint(labels), 0)
    values, inverse = np.unique(kept, return_inverse=True)
    numbers: np.ndarray = inverse.reshape(labels.shape).astype(np.int32) + int(values[0] > 0)
    return numbers


def _parts(mask: np.ndarray) -> np.ndarray:
    """Connected parts, H x W int32."""
    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1], np.int32)
