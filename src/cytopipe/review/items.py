"""What a queue holds: an image of a dataset, or a cell that a screening found in a field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from skimage.draw import polygon

from cytopipe.core.io.tables import table_bytes
from cytopipe.core.params import Reading
from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.decode import AS_FULL, encode_png, read_png, resize_rgb
from cytopipe.data.imaging.fields import open_field
from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS, read_mask

AROUND = 6  # side of the surroundings of a cell, in sides of its picture
LARGEST = 900  # longer side of the surroundings as they are shown, pixels


@dataclass(frozen=True)
class Item(ABC):
    """One image or cell.

    Attributes:
        id: as in the table of corrections.
        group: images of one group never straddle a split.
        label: the class that it has now; empty for a cell that nobody has named.
        predicted: the most probable class.
        probabilities: by class.
        score: by which the queue is ordered.
    """

    id: str
    group: str
    label: str
    predicted: str
    probabilities: Mapping[str, float]
    score: float

    @abstractmethod
    def picture(self) -> np.ndarray:
        """H x W x 3 uint8 RGB."""

    @abstractmethod
    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The outlines that are known, H x W uint8 palette; size = (height, width) of the picture."""

    def surroundings(self) -> np.ndarray | None:
        """The field around a cell with its place drawn, H x W x 3 uint8 RGB; None for an image without a field."""
        return None

    @property
    def is_new(self) -> bool:
        """Whether the dataset does not have it."""
        return False

    def stored(self) -> bytes:
        """The picture as a PNG, as the dataset takes it where it is new."""
        return encode_png(self.picture(), prepared=self.is_new)


@dataclass(frozen=True)
class Image(Item):
    """An image of a dataset.

    Attributes:
        file: its organized PNG.
        masks: files of its outlines, the first that is there is shown: the true ones, then those predicted.
    """

    file: Path = Path()
    masks: tuple[Path, ...] = ()

    def picture(self) -> np.ndarray:
        """The organized image."""
        return read_png(self.file)

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The true outlines, or else those predicted, or nothing."""
        found = next((path for path in self.masks if path.is_file()), None)
        mask = read_mask(found) if found else None
        return mask if mask is not None and mask.shape == size else np.full(size, BACKGROUND, np.uint8)


@dataclass(frozen=True)
class Cell(Item):
    """A cell that a screening found.

    Attributes:
        source: image file of the field.
        reading: how it is read.
        box: the cut-out around the cell, with its margin.
        outlines: rings of the whole cell and of its nucleus, P x 2 float, x and y in pixels of the field.
    """

    source: Path = Path()
    reading: Reading = AS_FULL
    box: Box = (0, 0, 1, 1)
    outlines: tuple[np.ndarray, ...] = ()

    @property
    def is_new(self) -> bool:
        """It is in no dataset."""
        return True

    def picture(self) -> np.ndarray:
        """The cell, cut out of its field."""
        left, top, right, bottom = self.box
        with open_field(self.source, self.reading) as field:
            return field.read(top, left, bottom - top, right - left).copy()

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The outlines that the detector found."""
        mask = np.full(size, BACKGROUND, np.uint8)
        for ring, value in zip(self.outlines, (CYTOPLASM, NUCLEUS), strict=False):
            # Rings count from the corner of the first pixel and run between pixels, draw.polygon from its centre.
            x, y = (ring - self.box[:2] - 0.5).T
            mask[polygon(y, x, size)] = value  # type: ignore[no-untyped-call]  # skimage annotates nothing here
        return mask

    def surroundings(self) -> np.ndarray:
        """The field around it, with a frame around the cell."""
        left, top, right, bottom = self.box
        reach = AROUND * max(right - left, bottom - top) // 2
        x, y = (left + right) // 2, (top + bottom) // 2
        with open_field(self.source, self.reading) as field:
            first, last = max(0, y - reach), min(field.height, y + reach)
            start, stop = max(0, x - reach), min(field.width, x + reach)
            view = field.read(first, start, last - first, stop - start).copy()
        scale = min(1.0, LARGEST / max(view.shape[:2]))
        if scale < 1:
            view = resize_rgb(view, (max(1, round(view.shape[0] * scale)), max(1, round(view.shape[1] * scale))))
        corners = [round(value * scale) for value in (left - start, top - first, right - start, bottom - first)]
        cv2.rectangle(view, (corners[0] - 2, corners[1] - 2), (corners[2] + 2, corners[3] + 2), (200, 0, 90), 2)
        return view


@dataclass(frozen=True)
class Queue:
    """What is looked at, in this order.

    Attributes:
        title: what it holds and how it is ordered, in words.
        classes: that may be named, in class order.
        items: the first is looked at first.
        aliases: ids by the publisher's file, as tables of corrections may name images.
        refused: number of images or fields that are not offered, as their group is tested.
    """

    title: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    refused: int = 0

    def first(self, most: int) -> Queue:
        """The same queue, ended after so many items."""
        return replace(self, items=self.items[:most])

    @property
    def listed(self) -> str:
        """The queue as CSV."""
        columns = ("id", "group", "label", "predicted", "score")
        return table_bytes([{name: getattr(one, name) for name in columns} for one in self.items], columns).decode()
