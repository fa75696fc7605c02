"""The cells that annotations outline: classes mapped, nuclei joined to cells, outlines filled, faults counted."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cytopipe.adapters.alike import nearest
from cytopipe.adapters.annotations.crossing import crosses_itself
from cytopipe.adapters.annotations.shapes import MOST_PIXELS, UNCLASSIFIED, AnnotatedImage, Annotation, Outline
from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS
from cytopipe.data.imaging.outlines import PlacedMask, outline_of
from cytopipe.errors import CytopipeError

Part = Literal["cytoplasm", "nucleus"]
_INSIDE = 0.5  # share of a nucleus that lies in its cell

OUTSIDE = "outside their images, left out"
CUT = "cut by the edge of their images"
MENDED = "crossing themselves, mended by the even-odd rule"
DROPPED = "of classes that options.classes maps to null, left out"
LONE = "nuclei in no outlined cell, left out"


@dataclass(frozen=True)
class OutlinedCell:
    """A cell of an image.

    Attributes:
        number: of its annotation in the file, from 1.
        label: its class.
        box: within the image, left, top, right and bottom in pixels, the last two exclusive.
        cell: pixels of the whole cell; None where there is a box alone.
        nucleus: pixels of the nucleus, if it is outlined.
        outline: points of the whole cell as they are written, if they give `cell` exactly.
    """

    number: int
    label: str
    box: Box
    cell: PlacedMask | None
    nucleus: PlacedMask | None
    outline: np.ndarray | None

    @property
    def contour(self) -> np.ndarray:
        """Points of the whole cell, P x 2, x and y in pixels; of a box its corners."""
        if self.outline is not None:
            return self.outline
        if self.cell is not None:
            return outline_of(self.cell.mask, self.cell.left, self.cell.top)
        left, top, right, bottom = self.box
        return np.array([(left, top), (right - 1, top), (right - 1, bottom - 1), (left, bottom - 1)])

    @property
    def nucleus_contour(self) -> np.ndarray | None:
        """The outermost pixels of the nucleus, P x 2; None where it is not outlined."""
        if self.nucleus is None:
            return None
        return outline_of(self.nucleus.mask, self.nucleus.left, self.nucleus.top)

    def palette(self, box: Box) -> np.ndarray:
        """The mask of this cell alone in a box of the image: H x W uint8, 0 background, 1 cytoplasm, 2 nucleus."""
        left, top, right, bottom = box
        mask = np.full((bottom - top, right - left), BACKGROUND, np.uint8)
        if self.cell is not None:
            mask[self.cell.within(box)] = CYTOPLASM
        if self.nucleus is not None:
            mask[self.nucleus.within(box)] = NUCLEUS
        return mask


@dataclass
class CellReader:
    """Reads the cells of annotated images, and counts what is left out or mended.

    Attributes:
        classes: their class -> ours; None drops it; an empty map keeps their names.
        parts: their class -> the part of a cell that it outlines; others outline whole cells.
        counts: annotations by what became of them.
    """

    classes: Mapping[str, str | None]
    parts: Mapping[str, Part]
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, image: AnnotatedImage, size: tuple[int, int]) -> Iterator[OutlinedCell]:
        """The cells of an image of (height, width), in the order of the file; their pixels are not kept.

        Raises:
            CytopipeError: a class has no meaning, or an outline is too large for a cell.
        """
        inner = self._nuclei(image, size)
        for place, one in enumerate(image.annotations, start=1):
            if self._is_nucleus(one):
                continue
            label = self._label(one)
            if label is None:
                self.counts[DROPPED] += 1
                continue
            mask = self._fill(one.outline, size, one.where) if one.outline is not None else None
            box = mask.box if mask is not None else _clipped(one.box, size) if one.box is not None else None
            if box is None:
                self.counts[OUTSIDE] += 1
                continue
            self.counts[CUT] += _is_cut(one.outline.bounds if one.outline is not None else one.box, size)
            nucleus = self._nucleus(one, mask, inner.get(place, []), size)
            if mask is not None:
                box = _around(mask, nucleus)
            yield OutlinedCell(place, label, box, mask, nucleus, _written(one.outline, size))

    def _is_nucleus(self, one: Annotation) -> bool:
        return self.parts.get(one.label) == "nucleus"

    def _nuclei(self, image: AnnotatedImage, size: tuple[int, int]) -> dict[int, list[PlacedMask]]:
        """The nuclei that are annotations of their own, by the number of the cell's annotation."""
        nuclei: list[tuple[Annotation, PlacedMask]] = []
        for one in image.annotations:
            if self._is_nucleus(one):
                mask = self._fill(one.outline, size, one.where) if one.outline is not None else None
                if mask is not None:
                    nuclei.append((one, mask))
                else:
                    self.counts[LONE if one.outline is None else OUTSIDE] += 1
        if not nuclei:
            return {}
        owners = _Owners(nuclei)
        for place, one in enumerate(image.annotations, start=1):
            if one.outline is not None and not self._is_nucleus(one) and self._label(one) is not None:
                _check_extent(one.outline, size, one.where)
                owners.offer(place, one, one.outline.fill(size))
        found: dict[int, list[PlacedMask]] = defaultdict(list)
        for (_, mask), owner in zip(nuclei, owners.places, strict=True):
            if owner is None:
                self.counts[LONE] += 1
            else:
                found[owner].append(mask)
        return found

    def _label(self, one: Annotation) -> str | None:
        if one.label in self.classes:
            return self.classes[one.label]
        if self.classes:
            near = nearest(one.label, self.classes, 1)
            raise CytopipeError(
                f"the class '{one.label}' is not in options.classes" + (f"; did you mean '{near[0]}'?" if near else ""),
                where=one.where,
                hint=f"map it to one of yours, or to null to leave it out: classes: {{{one.label}: null}}",
            )
        if one.label == UNCLASSIFIED:
            raise CytopipeError(
                "this annotation has no class",
                where=one.where,
                hint=f"give it one, or say in options.classes what `{UNCLASSIFIED}` means (null leaves them out)",
            )
        return one.label

    def _fill(self, outline: Outline, size: tuple[int, int], where: str) -> PlacedMask | None:
        _check_extent(outline, size, where)
        self.counts[MENDED] += any(crosses_itself(ring) for polygon in outline.polygons for ring in polygon)
        return outline.fill(size)

    def _nucleus(
        self, one: Annotation, cell: PlacedMask | None, others: Sequence[PlacedMask], size: tuple[int, int]
    ) -> PlacedMask | None:
        """The nucleus of an outlined cell: the one that the annotation has, and those that lie in it."""
        own = self._fill(one.nucleus, size, one.where) if one.nucleus is not None and cell is not None else None
        found = [*([own] if own is not None else []), *others]
        if len(found) < 2:
            return found[0] if found else None
        left, top = min(mask.left for mask in found), min(mask.top for mask in found)
        right, bottom = max(mask.box[2] for mask in found), max(mask.box[3] for mask in found)
        whole = np.zeros((bottom - top, right - left), bool)
        for mask in found:
            whole |= mask.within((left, top, right, bottom))
        return PlacedMask.of(whole, left, top)

    def summary(self) -> str:
        """The counts in words; empty without any."""
        return ", ".join(f"{number:,} {what}" for what, number in sorted(self.counts.items()) if number)


class _Owners:
    """The cell of each nucleus: that of its pair, else the one in which most of it lies; the smaller of equals."""

    def __init__(self, nuclei: Sequence[tuple[Annotation, PlacedMask]]) -> None:
        self._nuclei = nuclei
        self._boxes = np.array([mask.box for _, mask in nuclei])
        self._best: list[tuple[int, int]] = [(0, 0)] * len(nuclei)  # pixels of the nucleus, less those of the cell
        self.places: list[int | None] = [None] * len(nuclei)

    def offer(self, place: int, one: Annotation, cell: PlacedMask | None) -> None:
        """A cell, by the number of its annotation, that may own nuclei."""
        if cell is None:
            return
        from scipy.ndimage import binary_fill_holes  # here, because commands that list adapters need no scipy

        left, top, right, bottom = cell.box
        whole = PlacedMask(cell.left, cell.top, binary_fill_holes(cell.mask))  # a cytoplasm may leave its nucleus out
        boxes = self._boxes
        meets = (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
        paired = [one.pair is not None and nucleus.pair == one.pair for nucleus, _ in self._nuclei] if one.pair else []
        for index in {*np.flatnonzero(meets).tolist(), *np.flatnonzero(paired).tolist()}:
            nucleus = self._nuclei[index][1]
            both = int(np.count_nonzero(whole.within(nucleus.box) & nucleus.mask))
            score = (nucleus.area + 1 if paired and paired[index] else both), -cell.area
            if score[0] >= _INSIDE * nucleus.area and (self.places[index] is None or score > self._best[index]):
                self.places[index], self._best[index] = place, score


def _check_extent(outline: Outline, size: tuple[int, int], where: str) -> None:
    """Refuse an outline whose box within the image has more than MOST_PIXELS."""
    left, top, right, bottom = outline.bounds
    across, down = min(right, size[1]) - max(left, 0), min(bottom, size[0]) - max(top, 0)
    if across > 0 and down > 0 and across * down > MOST_PIXELS:
        raise CytopipeError(
            f"an outline over {across:,.0f} x {down:,.0f} px is no cell",
            where=where,
            hint="remove it; or leave its class out: options.classes maps it to null",
        )


def _clipped(box: tuple[float, float, float, float], size: tuple[int, int]) -> Box | None:
    """The pixels that a box touches within an image; None if it has none."""
    (left, right), (top, bottom) = sorted((box[0], box[2])), sorted((box[1], box[3]))
    found = (
        max(math.floor(left), 0),
        max(math.floor(top), 0),
        min(math.ceil(right), size[1]),
        min(math.ceil(bottom), size[0]),
    )
    return found if found[0] < found[2] and found[1] < found[3] else None


def _is_cut(bounds: tuple[float, float, float, float] | None, size: tuple[int, int]) -> bool:
    """Whether more than a pixel of rounding lies outside the image."""
    return bounds is not None and (
        min(bounds[:2]) < -1 or max(bounds[0], bounds[2]) > size[1] + 1 or max(bounds[1], bounds[3]) > size[0] + 1
    )


def _around(cell: PlacedMask, nucleus: PlacedMask | None) -> Box:
    """The box of a cell with its nucleus, which may stick out."""
    if nucleus is None:
        return cell.box
    one, other = cell.box, nucleus.box
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _written(outline: Outline | None, size: tuple[int, int]) -> np.ndarray | None:
    """The points of an outline of one ring within the image."""
    if outline is None or len(outline.polygons) != 1 or len(outline.polygons[0]) != 1:
        return None
    left, top, right, bottom = outline.bounds
    inside = left >= 0 and top >= 0 and right < size[1] and bottom < size[0]
    return outline.polygons[0][0] if inside else None
