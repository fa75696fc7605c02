"""Writes phantom cells in the layout in which the Herlev Pap smear data are distributed.

Layout after Jantzen et al., "Pap-smear benchmark data for pattern classification" (NiSIS 2005): a folder per
class, in it one picture of each single cell (`<slide>-<picture>-<cell>.BMP`) and its segmentation in colours
(`...-d.bmp`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.anatomy import Cell, draw_cell
from cytopipe_phantoms.cell import paint_cell
from cytopipe_phantoms.clutter import paint_debris, paint_film, paint_leukocytes
from cytopipe_phantoms.outlines import Polygon, coverage, half_width, middle
from cytopipe_phantoms.preparation import Preparation, prepare
from cytopipe_phantoms.spec import CellClass, NormalRatio, Phantom
from cytopipe_phantoms.stain import DYES, blank
from cytopipe_phantoms.writer import File, Request, Unit, Writer, draw_count

CLASSES = (
    "normal_superficiel",
    "normal_intermediate",
    "normal_columnar",
    "light_dysplastic",
    "moderate_dysplastic",
    "severe_dysplastic",
    "carcinoma_in_situ",
)
GRADES = CLASSES[3:]  # of one slide's cells some may be of the next grade
SHARED = 4  # each fourth slide of a grade is one of the grade before
BACKGROUND, UNDEFINED = (255, 0, 0), (128, 128, 128)
CYTOPLASM, NUCLEUS = (0, 0, 128), (0, 0, 255)
FOLDER = "smear2005/New database pictures"
TRIALS = 6  # places tried for a neighbour


@dataclass(frozen=True)
class Portrait:
    """A picture of one cell.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        segmentation: (H, W, 3) uint8 RGB in the palette of the publisher.
        cell: its outlines in pixels of the picture.
    """

    image: NDArray[np.uint8]
    segmentation: NDArray[np.uint8]
    cell: Cell


def draw_slide(phantom: Phantom, request: Request, unit: Unit) -> Iterator[File]:
    """The cells of one class on one slide, each with its segmentation: smear2005/New database pictures/<class>/...

    Each cell draws from its own seed (seed, class, slide, cell). Every fourth slide holds cells of two neighbouring
    grades of dysplasia, as some of the published ones do.
    """
    count, scale, seed = request.cells_per_field, request.scale, request.seed
    for stem, portrait in take_slide(phantom, unit.label, unit.number + 1, count=count, scale=scale, seed=seed):
        yield File(f"{FOLDER}/{unit.label}/{stem}.BMP", portrait.image, unit.label)
        yield File(f"{FOLDER}/{unit.label}/{stem}-d.bmp", portrait.segmentation)


def take_slide(
    phantom: Phantom, name: str, slide: int, *, count: int, scale: float, seed: int
) -> Iterator[tuple[str, Portrait]]:
    """The cells of one class on one slide, each with the stem of its file's name.

    Args:
        phantom: the biology table.
        name: class of the cells.
        slide: its number within the class, from 1.
        count: mean number of cells.
        scale: size over the table's full size.
        seed: of the whole dataset.
    """
    index = CLASSES.index(name)
    shared = name in GRADES[1:] and slide % SHARED == index % SHARED
    owner = index - shared  # the class by whose numbers the slide goes
    preparation = prepare(phantom.slide, scale, [seed, owner, slide])
    number = draw_count(count, phantom.field.cells_spread, np.random.default_rng([seed, index, slide, 10**6]))
    first = 148_000_000 + 10_000_000 * owner + 10_007 * slide  # looks like the clock that named the real ones
    for cell in range(1, number + 1):
        picture, within = divmod(cell - 1, 3)
        stem = f"{first}-{first + 13 + 40 * index + 17 * picture}-{within + 1:03d}"
        yield stem, take_portrait(phantom, name, preparation, scale=scale, seed=[seed, index, slide, cell])


def take_portrait(phantom: Phantom, name: str, preparation: Preparation, *, scale: float, seed: list[int]) -> Portrait:
    """Draws one cell, its surroundings, the picture of both, and the segmentation of the cell.

    Args:
        phantom: the biology table.
        name: class of the cell.
        preparation: the slide it lies on.
        scale: size over the table's full size.
        seed: entropy of this cell.
    """
    shapes, textures, sensor = np.random.default_rng(seed).spawn(3)
    clutter = phantom.clutter
    cell, size = _frame(_draw(phantom.classes[name], preparation, shapes), phantom, scale)
    nucleus = coverage(cell.nucleus, size)
    amounts = blank(*size, len(DYES))
    paint_film(amounts, preparation.film, clutter.mucus, scale, textures)
    for _ in range(draws.poisson(clutter.border_cells, shapes)):
        own = shapes.random() < clutter.border_cells_of_own_class
        other = phantom.classes[name if own else CLASSES[int(shapes.integers(len(CLASSES)))]]
        neighbour = _beside(_draw(other, preparation, shapes), nucleus, scale, shapes)
        if neighbour is not None:
            paint_cell(
                amounts, neighbour, scale=scale, defocus=abs(draws.normal(0, preparation.depth, textures)), rng=textures
            )
    paint_cell(amounts, cell, scale=scale, defocus=abs(draws.normal(0, preparation.depth, textures)), rng=textures)
    paint_debris(amounts, clutter.debris, nucleus, scale, shapes)
    centres = shapes.uniform(0, size[::-1], (draws.poisson(clutter.leukocytes, shapes), 2))
    far = exact.length(centres - middle(cell.nucleus)) > np.ptp(cell.nucleus, axis=0).max() / 2 + 20 * scale
    paint_leukocytes(amounts, centres[far], scale, shapes)
    return Portrait(preparation.photograph(amounts, sensor), _segment(cell, nucleus, shapes), cell)


def _draw(kind: CellClass, preparation: Preparation, rng: np.random.Generator) -> Cell:
    """A cell of which cytoplasm and nucleus are stretched alike, about along the line that joins their middles."""
    ratio = kind.shape.elongation.draw(rng)
    plain = NormalRatio(mean=1, sd=0, low=1, high=1)
    upright = kind.model_copy(update={"shape": kind.shape.model_copy(update={"elongation": plain})})
    cell = draw_cell(upright, preparation.bath.preference, rng)
    x, y = middle(cell.nucleus)[:, None]
    turn = float(exact.arctan2(y, x)[0]) + draws.normal(0, 0.4, rng)
    along, longer = exact.direction(turn), math.sqrt(ratio)

    def stretched(polygon: Polygon) -> Polygon:
        reach = polygon[:, :1] * along[0] + polygon[:, 1:] * along[1]
        result: Polygon = polygon / longer + reach * (longer - 1 / longer) * along
        return result

    def stretch(polygons: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
        return tuple(map(stretched, polygons))

    return replace(
        cell,
        cytoplasm=stretched(cell.cytoplasm),
        nucleus=stretched(cell.nucleus),
        flaps=stretch(cell.flaps),
        creases=stretch(cell.creases),
        vacuoles=stretch(cell.vacuoles),
        nucleoli=stretch(cell.nucleoli),
        halo=None if cell.halo is None else stretched(cell.halo),
    )


def _frame(cell: Cell, phantom: Phantom, scale: float) -> tuple[Cell, tuple[int, int]]:
    """Lays a cell in the middle of its picture, and gives the picture's (height, width)."""
    low, high = cell.cytoplasm.min(axis=0), cell.cytoplasm.max(axis=0)
    margin = phantom.field.crop_margin * float((high - low).max())
    limit = np.array([phantom.field.width, phantom.field.height])
    side = np.minimum(high - low + 2 * margin, limit)
    width, height = np.maximum(np.ceil(side * scale), 3).astype(int).tolist()
    return cell.at((side - low - high) / 2, scale), (height, width)


def _beside(cell: Cell, nucleus: NDArray[np.float32], scale: float, rng: np.random.Generator) -> Cell | None:
    """Lays a neighbour across the picture's edge; None where each trial covers the nucleus."""
    size = np.array(nucleus.shape[::-1]) / scale
    radius = half_width(cell.cytoplasm)
    for _ in range(TRIALS):
        theta, off = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.95) * radius
        direction = exact.direction(theta)
        to_edge = float((size / 2 / np.maximum(np.abs(direction), 1e-9)).min())
        laid = cell.at(size / 2 + direction * (to_edge + off), scale)
        if not (coverage(laid.cytoplasm, nucleus.shape) * nucleus).any():
            return laid
    return None


def _segment(cell: Cell, nucleus: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The publisher's palette: cell, nucleus, background, and undefined slivers along one side of the rim."""
    whole = coverage(cell.cytoplasm, nucleus.shape) >= 0.5
    radius = half_width(cell.cytoplasm)
    theta, reach = rng.uniform(0, 2 * np.pi), max(draws.normal(0.04, 0.06, rng), 0.0) * radius
    moved = cell.cytoplasm + reach * exact.direction(theta)
    segmentation = np.empty((*nucleus.shape, 3), np.uint8)
    segmentation[:] = BACKGROUND
    segmentation[coverage(moved, nucleus.shape) >= 0.5] = UNDEFINED
    segmentation[whole] = CYTOPLASM
    segmentation[nucleus >= 0.5] = NUCLEUS
    return segmentation


WRITER = Writer(Phantom, draw_slide, CLASSES)
