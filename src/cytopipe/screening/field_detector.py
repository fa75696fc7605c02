"""Cell detection by a segmenter that was trained on whole fields (`view: fields`).

Seeds are the middles of nuclei, which part where nuclei touch. Each votes on the star-convex outline of its cell, so
that outlines may overlap. What is left of the cell mask at the edge of a field is a cell whose nucleus is beyond it.
Nothing is decided for a field as a whole: no threshold, no range of colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import find_objects

from cytopipe.core.params import Reading
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.field_unet import MAP_STRIDE, STRIDE, FieldUNet
from cytopipe.models.folder import load_model
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.screening.detectors import Evidence, EvidenceReader, Part, Region, grow_seeds
from cytopipe.screening.field_windows import FieldValues, Values, WindowGrid
from cytopipe.screening.stars import VOTERS, Star, vote, without_doubles

LEAST_SEED = 2  # points
OPENING = 5  # side of the square that a remainder must hold, points


class FieldDetector:
    """Finds cells and nuclei with a segmenter of fields.

    Args:
        folder: model folder of the segmenter.
        device: device to predict on.
        scale: pixels of the network's input per pixel of the field; None: as in the training.
        middle: minimum value of a point in the middle of a nucleus.
        nucleus: minimum probability of a point of a nucleus.
        cell: minimum probability of a point of a cell without a visible nucleus.
        score: minimum score of a cell.
        same: two outlines are one cell if they share more than this of the smaller one's area.
        least_cell: minimum area of a cell, as a share of the square of a typical cell's longer side.
        reach: maximum length of a ray, as a share of a typical cell's longer side.
        lone: whether to keep cells at the edge of the field whose nucleus is not seen.

    Raises:
        CytopipeError: the model is not a segmenter of fields.
    """

    box: int | None = None

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        scale: float | None = None,
        *,
        middle: float = 0.25,
        nucleus: float = 0.5,
        cell: float = 0.5,
        score: float = 0.4,
        same: float = 0.7,
        least_cell: float = 0.05,
        reach: float = 2.0,
        lone: bool = True,
    ) -> None:
        model, spec = load_model(folder, device)
        if spec.view is None or spec.view.view != "fields" or not isinstance(model, FieldUNet):
            raise CytopipeError("this model was not trained on fields (view: fields)", where=folder)
        self.reading = spec.reading or Reading()
        self.folder = folder
        self._model, self._transform = model, InputTransform("rgb", spec.mean, spec.std, device)
        self.scale = scale or spec.view.scale
        self.step = max(1, round(MAP_STRIDE / self.scale))
        self._middle, self._nucleus, self._cell, self._score, self._same = middle, nucleus, cell, score, same
        self._lone = lone
        side = (spec.typical_sizes or TypicalSizes()).cell_side or spec.view.input_size / 4
        typical = side * spec.view.scale / self.scale / self.step
        self.radius, self._longest = max(1, round(reach * typical)), max(1, round(typical))
        self.margin = 2 * (self.radius + self._longest) + 2
        self.min_area = max(1, round(least_cell * typical**2))
        margin = -(-model.reach // MAP_STRIDE)
        self._grid = WindowGrid(self._forward, MAP_STRIDE, STRIDE, self.scale, self.step, margin)

    def prepare(self, field: Field) -> EvidenceReader:
        """See `CellDetector`; nothing depends on the whole field."""
        values = FieldValues(field, self._grid)
        return lambda region: self._evidence(values, region)

    def _forward(self, image: np.ndarray) -> Values:
        """Probabilities of cell, nucleus and middle, h/2 x w/2 x 3, and rays, h/4 x w/4 x R, of h x w x 3 uint8."""
        with torch.inference_mode():
            found = self._model(self._transform(torch.from_numpy(np.ascontiguousarray(image))[None]))
            maps = torch.sigmoid(found["maps"].float())[0].permute(1, 2, 0)
            rays = found["rays"].float()[0].permute(1, 2, 0)
        return Values(maps.cpu().contiguous().numpy(), rays.cpu().contiguous().numpy())

    def _evidence(self, values: FieldValues, region: Region) -> Evidence:
        maps = values.maps(region)
        cell, nucleus, middle = (np.ascontiguousarray(maps[..., place]) for place in range(3))
        seeds = _seeds(middle >= self._middle)
        nuclei = grow_seeds(seeds, nucleus >= self._nucleus, self._longest, region)
        stars = [self._star(values, region, maps, nuclei, number, seed) for number, seed in _numbered(nuclei)]
        kept = without_doubles(stars, self._same)
        parts: list[Part | None] = [
            Part((slice(star.top, star.bottom), slice(star.left, star.right)), star.mask, star.score, True)
            if star is not None and keep
            else None
            for star, keep in zip(stars, kept, strict=True)
        ]
        if self._lone:
            rest = _left_over(cell >= self._cell, parts, self.min_area, 2 * self.radius)
            rest = _at_edge(rest, region, values.rows, values.columns)
            count = len(parts)
            nuclei = np.where(rest > 0, rest + count, nuclei)
            for number, place in _numbered(rest):
                mask = rest[place] == number if place else np.zeros((0, 0), bool)
                score = float(cell[place][mask].mean()) if place else 0.0
                parts.append(Part(place, mask, score, False) if place else None)
        return Evidence(np.maximum(cell, nucleus), cell >= self._cell, nuclei, True, False, tuple(parts))

    def _star(
        self,
        values: FieldValues,
        region: Region,
        maps: np.ndarray,
        nuclei: np.ndarray,
        number: int,
        place: tuple[slice, slice] | None,
    ) -> Star | None:
        """The outline of the cell of a nucleus; None without one, or if its score is too low."""
        if place is None:
            return None
        own = nuclei[place] == number
        rows, columns = np.nonzero(own)
        rows, columns = rows + place[0].start, columns + place[1].start
        best = np.argsort(-maps[rows, columns, 2], kind="stable")[: 4 * VOTERS]
        points = np.stack([rows[best] + region.top, columns[best] + region.left], axis=1) // 2
        points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])][:VOTERS]
        rays = np.minimum(values.rays(points), self.radius)
        drawn = vote(points * 2 + 0.5 - (region.top, region.left), rays, region.shape)
        if drawn is None:
            return None
        top, left, mask = drawn
        filled = maps[top : top + mask.shape[0], left : left + mask.shape[1], 0][mask].mean()
        certain = maps[rows, columns, 1]
        score = float(certain.mean() * filled)
        return Star(top, left, mask, score, float(certain.sum())) if score >= self._score else None


def _numbered(labels: np.ndarray) -> list[tuple[int, tuple[slice, slice] | None]]:
    return list(enumerate(find_objects(labels), start=1))


def _seeds(mask: np.ndarray) -> np.ndarray:
    """Connected parts of at least LEAST_SEED points, H x W int32."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= LEAST_SEED
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    found: np.ndarray = numbers[labels]
    return found


def _left_over(mask: np.ndarray, parts: Sequence[Part | None], least: int, longest: int) -> np.ndarray:
    """Connected parts of a mask outside of all cells, at least `least` points large, H x W int32."""
    rest = mask.astype(np.uint8)
    for part in parts:
        if part is not None:
            rest[part.place][part.mask] = 0
    square = np.ones((OPENING, OPENING), np.uint8)
    opened = cv2.dilate(cv2.erode(rest, square, borderValue=1), square)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= least
    kept &= stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) <= longest
    kept[0] = False
    found: np.ndarray = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]
    return found


def _at_edge(labels: np.ndarray, region: Region, rows: int, columns: int) -> np.ndarray:
    """The parts that touch the edge of the field, renumbered from 1."""
    sides = [
        labels[0] if region.top == 0 else None,
        labels[-1] if region.bottom == rows else None,
        labels[:, 0] if region.left == 0 else None,
        labels[:, -1] if region.right == columns else None,
    ]
    touching = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for side in sides:
        if side is not None:
            touching[side] = True
    touching[0] = False
    found: np.ndarray = np.where(touching, np.cumsum(touching), 0).astype(np.int32)[labels]
    return found
