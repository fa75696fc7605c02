"""Writes phantom patches in the layout of the cell and background data: DB_3/{train,validation}/{background,cell}/.

Patches of 20 x 20 pixels, centred on a nucleus or without any. They are cut from what the table describes: the smears
of `smear`, whose cells are the size of those that the Bethesda classifier sees, or whole fields as in `sipakmed`, where
a classifier of patches is to find the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms.anatomy import Cell
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.outlines import coverage, middle
from cytopipe_phantoms.preparation import prepare
from cytopipe_phantoms.smear import SEVERITY, fine_scale, take_smear
from cytopipe_phantoms.spec import Phantom
from cytopipe_phantoms.writer import SPLIT, File, Request, Unit, Writer, draw_count

SIDE = 20  # of a published patch, pixels
LEAST = 5  # of a patch at a small scale
CLASSES = ("background", "cell")
TABLE_CLASSES = ("HSIL", "LSIL", "NILM", "SCC")  # of the table shared with `bethesda`, whose pictures are smears
CELLS = 9  # annotated in a whole field, about as many as in SIPaKMeD's
FIELDS = 40  # photographed of a slide at most
ON_LEUKOCYTE, ON_RIM = 0.3, 0.3  # shares of the background's patches; the others lie anywhere
Patches = list[NDArray[np.uint8]]
Take = Callable[[int], "Picture"]  # the picture of a slide with this number, from 1
Pixel = TypeVar("Pixel", np.uint8, np.float32)


@dataclass(frozen=True)
class Picture:
    """A picture from which patches are cut.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        cells: every cell in it, also those that its edge cuts; outlines in pixels.
        leukocytes: (N, 2) centres.
    """

    image: NDArray[np.uint8]
    cells: tuple[Cell, ...]
    leukocytes: NDArray[np.float64]


@dataclass
class Harvest:
    """Patches of one slide, (S, S, 3) uint8 RGB each."""

    cell: Patches = field(default_factory=list)
    background: Patches = field(default_factory=list)


def draw_slide(phantom: Phantom, request: Request, unit: Unit) -> Iterator[File]:
    """The patches of one slide, of both classes: DB_3/{train,validation}/{background,cell}/slide_<slide> (<patch>).png.

    Each slide draws from its own seed (seed, 0, slide); the slides take the table's classes in turn.

    The table of the Bethesda phantom gives smears, any other whole fields. The scale of smears is the size over the
    published patches' 20 pixels, though no patch is smaller than 5. That of whole fields is their size over the table's
    full size, while patches keep their 20 pixels: nuclei of the cervical table fill them at 0.25.
    """
    slide, seed = unit.number + 1, request.seed
    count = draw_count(request.cells_per_field, phantom.field.cells_spread, np.random.default_rng([seed, 1, slide]))
    harvest = take_patches(phantom, slide, count=count, scale=request.scale, seed=seed)
    for name in CLASSES:
        for index, patch in enumerate(getattr(harvest, name)[:count], start=1):
            yield File(f"DB_3/{SPLIT}/{name}/slide_{slide:03d} ({index}).png", patch, name)


def take_patches(phantom: Phantom, slide: int, *, count: int, scale: float, seed: int) -> Harvest:
    """Photographs a slide until its pictures have given `count` patches of each class, or more.

    Args:
        phantom: the biology table.
        slide: its number, from 1, which also determines the class of its cells.
        count: patches wanted of each class.
        scale: see `draw_slide`.
        seed: of the whole dataset.
    """
    smears = set(phantom.classes) == set(TABLE_CLASSES)
    side = max(round(SIDE * scale), LEAST) if smears else SIDE
    take = (_smears if smears else _fields)(phantom, slide, scale, seed)
    harvest = Harvest()
    for number in range(1, FIELDS + 1):
        picture = take(number)
        rng = np.random.default_rng([seed, 0, slide, number, 1])
        cells = _on_nuclei(picture, side, rng)
        harvest.cell += cells
        harvest.background += _off_nuclei(picture, side, max(len(cells), 2), rng)
        if min(len(harvest.cell), len(harvest.background)) >= count:
            break
    return harvest


def _smears(phantom: Phantom, slide: int, scale: float, seed: int) -> Take:
    """Fields of a smear as in `bethesda`, all of one preparation."""
    preparation = prepare(phantom.slide, fine_scale(phantom, scale), [seed, 0, slide])

    def take(number: int) -> Picture:
        entropy = [seed, 0, slide, number]
        smear = take_smear(phantom, SEVERITY[slide % len(SEVERITY)], preparation, scale=scale, seed=entropy)
        return Picture(smear.image, smear.cells, smear.leukocytes)

    return take


def _fields(phantom: Phantom, slide: int, scale: float, seed: int) -> Take:
    """Whole fields as in `sipakmed`, each with a stain of its own; none that a SIPaKMeD of the same seed has."""
    names = list(phantom.classes)

    def take(number: int) -> Picture:
        # With fewer numbers numpy would fill up with zeros: five are never three.
        entropy = [seed, 0, slide, number, 2]
        taken = take_field(phantom, names[slide % len(names)], count=CELLS, scale=scale, seed=entropy)
        return Picture(taken.image, (*taken.cells, *taken.bystanders), taken.leukocytes)

    return take


def _cut(image: NDArray[Pixel], centre: NDArray[np.float64], side: int) -> NDArray[Pixel] | None:
    """The patch of this side about a centre; None where it reaches over the picture's edge."""
    left, top = np.floor(centre - side / 2 + 0.5).astype(int)
    if min(left, top) < 0 or top + side > image.shape[0] or left + side > image.shape[1]:
        return None
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def _on_nuclei(picture: Picture, side: int, rng: np.random.Generator) -> Patches:
    """Patches centred on the nuclei, a tenth of their side or less beside the middle."""
    places = [middle(cell.nucleus) + rng.uniform(-0.1, 0.1, 2) * side for cell in picture.cells]
    return [patch for place in places if (patch := _cut(picture.image, place, side)) is not None]


def _off_nuclei(picture: Picture, side: int, count: int, rng: np.random.Generator) -> Patches:
    """Up to `count` patches without a cell's nucleus: on leukocytes, on the rims of cells, and anywhere."""
    height, width = picture.image.shape[:2]
    nuclei = np.zeros((height, width), np.float32)
    for cell in picture.cells:
        nuclei = np.maximum(nuclei, coverage(cell.nucleus, (height, width)))
    leukocytes = list(rng.permutation(picture.leukocytes))
    patches: Patches = []
    for _ in range(4 * count):
        chance, centre = rng.random(), rng.uniform(0, [width, height])
        if chance < ON_LEUKOCYTE and leukocytes:
            centre = leukocytes.pop() + rng.uniform(-0.1, 0.1, 2) * side
        elif chance < ON_LEUKOCYTE + ON_RIM:
            rim = picture.cells[int(rng.integers(len(picture.cells)))].cytoplasm
            centre = rim[int(rng.integers(len(rim)))]
        covered = _cut(nuclei, centre, side)
        patch = _cut(picture.image, centre, side)
        if patch is not None and covered is not None and not covered.any():
            patches.append(patch)
        if len(patches) == count:
            break
    return patches


WRITER = Writer(Phantom, draw_slide, mixed=True)
