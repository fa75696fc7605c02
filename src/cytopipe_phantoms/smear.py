"""A field of a liquid-based smear: cells of one Bethesda class among less severe ones, leukocytes and shreds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.anatomy import Cell, draw_cell
from cytopipe_phantoms.cell import paint_cell
from cytopipe_phantoms.clutter import paint_debris, paint_film, paint_leukocytes, paint_sheets
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.placement import COARSE, Ground
from cytopipe_phantoms.preparation import Preparation
from cytopipe_phantoms.spec import CellClass, Phantom
from cytopipe_phantoms.stain import DYES, HEMATOXYLIN, LIGHT_GREEN, blank
from cytopipe_phantoms.textures import ridges, smooth_noise

SEVERITY = ("NILM", "LSIL", "HSIL", "SCC")  # a smear is named after its most severe cells
DIATHESIS = {"NILM": 0.06, "LSIL": 0.08, "HSIL": 0.25, "SCC": 0.6}  # share of fields with shreds of necrosis
COVERED = (0.05, 0.38)  # share of a field that cells cover, from thin to crowded
MOST = 20  # cells in a field
LEUKOCYTE = 1.35  # size over a dried smear's: in liquid they keep round
TRIALS = 8  # places tried for a cell
PICTURE = 224  # side of a published picture; the table's field is as wide, in its own finer pixels


@dataclass(frozen=True)
class Smear:
    """A picture of a smear and what lies in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        cells: outlines in pixels of the picture; some reach over its edge.
        names: class of each cell.
        leukocytes: (N, 2) centres.
    """

    image: NDArray[np.uint8]
    cells: tuple[Cell, ...]
    names: tuple[str, ...]
    leukocytes: NDArray[np.float64]


def fine_scale(phantom: Phantom, scale: float) -> float:
    """Size of a picture's pixels over the table's, where 1.0 is a published picture's."""
    return scale * PICTURE / phantom.field.width


def take_smear(phantom: Phantom, name: str, preparation: Preparation, *, scale: float, seed: list[int]) -> Smear:
    """Photographs one field of a slide.

    Args:
        phantom: the biology table with the classes of SEVERITY.
        name: class of the most severe cells, of which there is at least one.
        preparation: the slide, prepared at `fine_scale`.
        scale: size over the published picture's 224 pixels.
        seed: entropy of this field.
    """
    shapes, textures, sensor = np.random.default_rng(seed).spawn(3)
    fine, clutter = fine_scale(phantom, scale), phantom.clutter
    size = np.array([phantom.field.width, phantom.field.height])
    names, cells, ground = _lay_out(phantom, name, preparation, shapes)
    cells = [cell.at(np.zeros(2), fine) for cell in cells]
    width, height = np.rint(size * fine).astype(int).tolist()
    amounts = blank(height, width, len(DYES))
    paint_film(amounts, preparation.film, clutter.mucus, fine, textures)
    paint_sheets(amounts, clutter.sheets, fine, shapes)
    if shapes.random() < DIATHESIS[name]:
        _paint_diathesis(amounts, fine, textures)
    for cell in cells:
        paint_cell(amounts, cell, scale=fine, defocus=abs(draws.normal(0, preparation.depth, textures)), rng=textures)
    rows, columns = (
        np.arange(side) * squares // side for side, squares in zip((height, width), ground.nuclei.shape, strict=True)
    )
    taken = ground.nuclei[rows[:, None], columns].astype(np.float32)
    paint_debris(amounts, clutter.debris, taken, fine, shapes)
    sd = clutter.leukocytes_spread
    spread = draws.lognormal(-sd * sd / 2, sd, shapes)
    leukocytes = _scatter(draws.poisson(clutter.leukocytes * spread, shapes), ground, shapes) * fine
    paint_leukocytes(amounts, leukocytes, LEUKOCYTE * fine, shapes)
    return Smear(preparation.photograph(amounts, sensor), tuple(cells), tuple(names), leukocytes)


def _lay_out(
    phantom: Phantom, name: str, preparation: Preparation, rng: np.random.Generator
) -> tuple[list[str], list[Cell], Ground]:
    """Lays cells until they cover their share of the field: their classes, their outlines in the table's pixels, and
    the places they took.
    """
    ground = Ground(phantom.field.width, phantom.field.height)
    wanted = rng.uniform(*COVERED) * ground.cells.size
    own = rng.uniform(phantom.clutter.border_cells_of_own_class, 1)
    names: list[str] = []
    cells: list[Cell] = []
    for _ in range(MOST):
        if cells and np.count_nonzero(ground.cells) >= wanted:
            break
        kind = name if not cells or rng.random() < own else _less_severe(name, rng)
        cell = draw_cell(phantom.classes[kind], preparation.bath.preference, rng)
        laid = _lay(cell, cells, phantom.classes[kind], ground, inside=not cells, rng=rng)
        if laid is not None:
            ground.take(laid)
            names.append(kind)
            cells.append(laid)
    return names, cells, ground


def _less_severe(name: str, rng: np.random.Generator) -> str:
    """The class of a cell that lies among those of class `name`: mostly normal, never more severe."""
    milder = SEVERITY[: max(SEVERITY.index(name), 1)]
    return "NILM" if rng.random() < 0.7 else milder[int(rng.integers(len(milder)))]


def _lay(
    cell: Cell, others: list[Cell], kind: CellClass, ground: Ground, *, inside: bool, rng: np.random.Generator
) -> Cell | None:
    """Lays a cell beside another or anywhere; None where no trial finds room. The first lies `inside` the field."""
    size = np.array([ground.width, ground.height], dtype=np.float64)
    radius = outlines.half_width(cell.cytoplasm)
    clustered = others and rng.random() < kind.grouping.clustered
    for _ in range(TRIALS):
        if clustered:
            anchor, theta = others[int(rng.integers(len(others)))], rng.uniform(0, 2 * np.pi)
            step = rng.uniform(1 - kind.grouping.overlap, 1.15) * (radius + outlines.half_width(anchor.cytoplasm))
            centre = outlines.middle(anchor.cytoplasm) + step * exact.direction(theta)
        else:
            margin = min(radius, size.min() / 3) if inside else -0.4 * radius
            centre = rng.uniform(margin, size - margin)
        laid = cell.at(centre)
        if inside or ground.has_room(laid, kind.grouping.overlap):
            return laid
    return None


def _scatter(count: int, ground: Ground, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres of up to `count` leukocytes, two in three about a few middles, none on a nucleus: (N, 2)."""
    size = np.array([ground.width, ground.height])
    middles = rng.uniform(0, size, (3, 2))
    heaped = middles[rng.integers(3, size=count)] + draws.normals(0, 0.09, 2 * count, rng).reshape(count, 2) * size
    alone = rng.uniform(0, size, (count, 2))
    centres = np.clip(np.where(rng.random((count, 1)) < 0.66, heaped, alone), 0, size - 1)
    columns, rows = (centres / COARSE).astype(int).T
    result: NDArray[np.float64] = centres[ground.nuclei[rows, columns] == 0]
    return result


def _paint_diathesis(amounts: Plane, scale: float, rng: np.random.Generator) -> None:
    """Adds clinging shreds of necrosis: strings of smeared chromatin and blue film."""
    shape = amounts.shape[:2]
    bend = smooth_noise(shape, 170 * scale, rng) + np.float32(0.35) * smooth_noise(shape, 45 * scale, rng)
    where = np.clip(smooth_noise(shape, 300 * scale, rng) + np.float32(0.2), 0, 1.5)
    lumps = np.clip(1 + np.float32(0.7) * smooth_noise(shape, 16 * scale, rng), 0, 3)
    shreds = where * lumps * ridges(bend, 0.16)
    amounts[..., HEMATOXYLIN] += np.float32(rng.uniform(0.25, 0.7)) * shreds
    amounts[..., LIGHT_GREEN] += np.float32(rng.uniform(0.05, 0.3)) * shreds
