"""Whole fields as training data: the picture and layers of labels of every annotated field, and random crops of them.

A field is stored as H x W x 7 uint8: red, green, blue, and LAYERS. Cells are numbered from 1 in each field. Where two
cytoplasms overlap, a pixel has two numbers, so that both outlines stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from scipy import ndimage

from cytopipe.adapters.base import AnnotatedField
from cytopipe.core.params import Reading
from cytopipe.data.augment import Augmenter
from cytopipe.data.imaging.decode import AS_FULL, read_rgb, resize_rgb
from cytopipe.data.imaging.masks import fill_polygon
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError

LAYERS = ("nucleus", "cell", "other_cell", "middle")  # numbers of nucleus, cell, second cell; 0 to 255 in a nucleus
CHANNELS = 3 + len(LAYERS)
UNKNOWN = 255  # in `cell`: nobody said what is here
MOST_CELLS = UNKNOWN - 1
SMALLEST = 0.25  # of an unannotated thing that may be a cell, share of the area of the smallest annotated cell
STRIP = 0.02  # along the edge of a field, share of its shorter side: a cell that reaches it may be cut


@dataclass(frozen=True)
class LabelledField:
    """A field as training data: `layers` is H x W x CHANNELS uint8; `sides` are the longer sides of its cells."""

    id: str
    layers: np.ndarray
    sides: tuple[float, ...]


def fields_of_split(fields: Iterable[AnnotatedField], rows: Iterable[Row], split: str) -> list[AnnotatedField]:
    """The fields all of whose images lie in one split."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.group].add(row.split)
    return [field for field in fields if splits.get(field.group) == {split}]


def label_field(field: AnnotatedField, scale: float, everything: bool, reading: Reading = AS_FULL) -> LabelledField:
    """Read a field and draw its cells.

    Args:
        field: with the outlines of its cells.
        scale: of the picture, before anything is drawn.
        everything: whether the publisher outlined every cell that the edge of the field does not cut. Otherwise
            whatever stands out from the background, is large enough for a cell and is not outlined is unknown.
        reading: how the image file is read.

    Raises:
        CytopipeError: the image cannot be decoded, or shows more than MOST_CELLS cells.
    """
    image = read_rgb(field.image, reading)[0]
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    factors = np.array([width / image.shape[1], height / image.shape[0]])
    cells = [
        (_scaled(cell.cytoplasm, factors), None if cell.nucleus is None else _scaled(cell.nucleus, factors))
        for cell in field.cells
    ]
    if len(cells) > MOST_CELLS:
        raise CytopipeError(
            f"{len(cells)} cells are outlined; a field of a training may have {MOST_CELLS}",
            where=field.image,
            hint="cut the field into smaller ones",
        )
    image = resize_rgb(image, (height, width))
    layers = draw_layers((height, width), cells)
    layers[..., 1][unknown(image, layers[..., 1], everything)] = UNKNOWN
    sides = tuple(float(np.ptp(cytoplasm, axis=0).max()) for cytoplasm, _ in cells)
    return LabelledField(field.id, np.concatenate([image, layers], axis=-1), sides)


def _scaled(contour: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """A contour in pixels of the scaled field; pixel centres are at whole numbers."""
    scaled: np.ndarray = (contour + 0.5) * factors - 0.5
    return scaled


def draw_layers(size: tuple[int, int], cells: Sequence[tuple[np.ndarray, np.ndarray | None]]) -> np.ndarray:
    """H x W x 4 uint8, see LAYERS, of (cytoplasm, nucleus) outlines, P x 2 each; a cell holds its nucleus.

    The middle of a cell whose nucleus nobody outlined is that of the whole cell.
    """
    nucleus, cell, other, middle = (np.zeros(size, np.uint8) for _ in LAYERS)
    for number, (cytoplasm, inner) in enumerate(cells, start=1):
        whole, core = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        fill_polygon(whole, cytoplasm, 1)
        if inner is not None:
            fill_polygon(core, inner, 1)
        inside = (whole | core) > 0
        other[inside & (cell > 0)] = number
        cell[inside & (cell == 0)] = number
        nucleus[core > 0] = number
        seed = whole if inner is None else core
        depth = cv2.distanceTransform(np.pad(seed, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        if seed.any():
            np.maximum(middle, np.rint(255 * depth / depth.max()).astype(np.uint8), out=middle)
    return np.stack([nucleus, cell, other, middle], axis=-1)


def unknown(image: np.ndarray, cells: np.ndarray, everything: bool) -> np.ndarray:
    """Where nobody said what a field shows, H x W bool.

    Args:
        image: H x W x 3 uint8.
        cells: H x W, numbers of the annotated cells.
        everything: True: only connected parts of the foreground that reach the edge of the field, as a publisher
            leaves out the cells that it cuts. False: every part without annotated cells that is as large as a cell.
    """
    shown = _stands_out(image)
    parts, count = ndimage.label(shown & (cells == 0))
    if not count:
        return np.zeros(cells.shape, bool)
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    annotated = np.bincount(cells.ravel())[1:]
    least = SMALLEST * annotated[annotated > 0].min(initial=cells.size)
    large = areas >= (least if annotated.any() else 1)
    large[0] = False
    if everything:
        strip = max(1, round(STRIP * min(cells.shape)))
        edge = np.ones(cells.shape, bool)
        edge[strip:-strip, strip:-strip] = False
        reaches = np.zeros(count + 1, bool)
        reaches[np.unique(parts[edge])] = True
        large &= reaches
    found: np.ndarray = ndimage.binary_dilation(large[parts], iterations=2) & (cells == 0)
    return found


def _stands_out(image: np.ndarray) -> np.ndarray:
    """Where a field differs from its background: its smoothed colour is farther from the median than Otsu's cut."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32)
    background = np.median(smooth.reshape(-1, 3), axis=0)
    distance = np.linalg.norm(smooth - background, axis=-1)
    levels = np.clip(distance, 0, 255).astype(np.uint8)
    cut, _ = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    found: np.ndarray = levels > 0.6 * cut
    return found


class FieldCrops:
    """Random square crops of fields; the place of a crop depends on (seed, turn, index) alone.

    Args:
        fields: the fields.
        side: of a crop, pixels.
        seed: the training's.

    Attributes:
        shape: (number of crops in one pass, side, side, CHANNELS): as many as cover the fields once.
    """

    def __init__(self, fields: Sequence[LabelledField], side: int, seed: int) -> None:
        self.fields, self.side, self.seed = fields, side, seed
        counts = [max(1, round(one.layers.shape[0] * one.layers.shape[1] / side**2)) for one in fields]
        self._owner = np.repeat(np.arange(len(fields)), counts)
        self.shape = (len(self._owner), side, side, CHANNELS)

    def __len__(self) -> int:
        return self.shape[0]

    def crop(self, turn: int, index: int) -> np.ndarray:
        """Crop `index` of a pass, side x side x CHANNELS uint8; beyond the field it is unknown."""
        layers = self.fields[int(self._owner[index])].layers
        rng = np.random.default_rng([self.seed, turn, index, 17])
        top, left = (int(rng.integers(0, max(0, length - self.side) + 1)) for length in layers.shape[:2])
        return padded(layers[top : top + self.side, left : left + self.side], self.side, self.side)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.crop(0, index)


def padded(layers: np.ndarray, height: int, width: int) -> np.ndarray:
    """Layers H x W x CHANNELS enlarged to the right and below: the picture repeats its edge, the labels are unknown."""
    below, right = height - layers.shape[0], width - layers.shape[1]
    if not (below or right):
        return np.ascontiguousarray(layers)
    larger = np.pad(layers, ((0, below), (0, right), (0, 0)), mode="edge")
    for area in (larger[layers.shape[0] :], larger[:, layers.shape[1] :]):
        area[..., 3:] = 0
        area[..., 4] = UNKNOWN
    return larger


class CropAugmenter:
    """Draws the crops of a batch and augments them; what `TrainingLoader` calls.

    Args:
        crops: the crops.
        augmenter: changes colours and orientation, the layers with the picture.
    """

    def __init__(self, crops: FieldCrops, augmenter: Augmenter) -> None:
        self.crops, self.augmenter = crops, augmenter

    def __call__(
        self, items: Items, turn: int, indices: Sequence[int] | np.ndarray, channels: int | None = None
    ) -> np.ndarray:
        """The crops of a pass with these indices, N x side x side x CHANNELS uint8; see `Augmenter`.

        `items` stand for the crops in the loader and are not read: a crop is another one in every pass.
        """
        drawn = _Drawn({int(index): self.crops.crop(turn, int(index)) for index in indices}, self.crops.shape)
        return self.augmenter(cast("Items", drawn), turn, indices, channels)


@dataclass(frozen=True)
class _Drawn:
    """Crops by index, in the form that an augmenter takes."""

    crops: dict[int, np.ndarray]
    shape: tuple[int, int, int, int]

    def __getitem__(self, index: int) -> np.ndarray:
        return self.crops[index]

    def __len__(self) -> int:
        return self.shape[0]


def windows_of(fields: Sequence[LabelledField], side: int) -> Iterator[np.ndarray]:
    """The fields cut into squares that do not overlap, side x side x CHANNELS each, for validation."""
    for one in fields:
        height, width = (-(-length // side) * side for length in one.layers.shape[:2])
        whole = padded(one.layers, height, width)
        for top in range(0, height, side):
            for left in range(0, width, side):
                yield np.ascontiguousarray(whole[top : top + side, left : left + side])
