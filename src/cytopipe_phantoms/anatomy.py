"""Anatomy: draws one cell of a class as outlines and appearance, before it is laid anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.spec import CellClass, Cytoplasm, Nucleus, Shape

RIM = 120  # corners of a cytoplasm's polygon
NUCLEUS_RIM = 48
CLEARANCE = 0.08  # least cytoplasm about a nucleus, share of the cell's radius


@dataclass(frozen=True)
class Look:
    """Appearance of a cell; amounts of dye are optical densities of a unit of it.

    Attributes:
        mixture: (3,) shares of eosin, orange G and light green in the cytoplasm, of sum 1.
        density: amount of dye in the cytoplasm.
        dome: relative thickening from rim to middle.
        granularity: relative contrast of the cytoplasm's grain.
        edge: relative darkening along the rim.
        hyperchromasia: amount of hematoxylin in the nucleus.
        chromatin: relative contrast of the chromatin.
        halo: share of the cytoplasm's dye that the perinuclear zone lacks.
    """

    mixture: NDArray[np.float64]
    density: float
    dome: float
    granularity: float
    edge: float
    hyperchromasia: float
    chromatin: float
    halo: float


@dataclass(frozen=True)
class Cell:
    """One cell: outlines as polygons, in pixels, and appearance.

    Attributes:
        cytoplasm: outline of the whole cell, nucleus included.
        nucleus: outline of the nucleus, within the cytoplasm's.
        flaps: parts folded over the cell.
        creases: thin wrinkles.
        vacuoles: small pale bubbles.
        nucleoli: small dark bodies in the nucleus.
        halo: outline of the pale zone about the nucleus, or None.
        look: appearance.
    """

    cytoplasm: Polygon
    nucleus: Polygon
    flaps: tuple[Polygon, ...]
    creases: tuple[Polygon, ...]
    vacuoles: tuple[Polygon, ...]
    nucleoli: tuple[Polygon, ...]
    halo: Polygon | None
    look: Look

    def at(self, centre: Polygon, scale: float = 1.0) -> Cell:
        """The cell laid at `centre`, then scaled with the field; contours rounded to the .dat's hundredths."""

        def lay(polygon: Polygon) -> Polygon:
            return np.round((polygon + centre) * scale, 2)

        return replace(
            self,
            cytoplasm=lay(self.cytoplasm),
            nucleus=lay(self.nucleus),
            flaps=tuple(map(lay, self.flaps)),
            creases=tuple(map(lay, self.creases)),
            vacuoles=tuple(map(lay, self.vacuoles)),
            nucleoli=tuple(map(lay, self.nucleoli)),
            halo=None if self.halo is None else lay(self.halo),
        )


def draw_cell(kind: CellClass, preference: NDArray[np.float64], rng: np.random.Generator) -> Cell:
    """Draws a cell about the origin, in full-size pixels.

    Args:
        kind: the cell's class.
        preference: (3,) the slide's factors on the shares of cells that take each counterstain.
        rng: the slide's generator of shapes.
    """
    cytoplasm, flaps = _draw_cytoplasm(kind.shape, rng)
    nucleus = _draw_nucleus(kind.nucleus, cytoplasm, rng)
    has_halo = rng.random() < kind.halo.probability
    strength, extent = kind.halo.strength.draw(rng), kind.halo.extent.draw(rng)
    return Cell(
        cytoplasm=cytoplasm,
        nucleus=nucleus,
        flaps=flaps,
        creases=_draw_creases(cytoplasm, nucleus, draws.poisson(1.5 * kind.shape.folds, rng), rng),
        vacuoles=_draw_vacuoles(cytoplasm, nucleus, draws.poisson(kind.cytoplasm.vacuoles, rng), rng),
        nucleoli=_draw_nucleoli(nucleus, kind.nucleus.nucleoli, rng),
        halo=_draw_halo(cytoplasm, nucleus, extent, rng) if has_halo else None,
        look=_draw_look(kind, preference, strength if has_halo else 0.0, rng),
    )


def _draw_cytoplasm(shape: Shape, rng: np.random.Generator) -> tuple[Polygon, tuple[Polygon, ...]]:
    """Outline of the cell, of area pi radius^2, and its folded flaps."""
    radius, corner = shape.radius.draw(rng), shape.cornerness.draw(rng)
    bends = outlines.wavy(RIM, shape.irregularity.draw(rng), rng)
    roughness = outlines.wavy(RIM, 0.006, rng, range(9, 22))
    corners = outlines.cornered(RIM, int(rng.integers(4, 8)), rng)
    radii = bends * roughness * (1 + corner * (corners - 1))
    radii = outlines.with_processes(radii, draws.poisson(shape.processes, rng), 0.55, rng)
    polygon = outlines.trace(radii, shape.elongation.draw(rng), rng.uniform(0, 2 * np.pi))
    flaps: list[Polygon] = []
    for _ in range(draws.poisson(shape.folds, rng)):
        polygon, flap = outlines.fold(polygon, rng.uniform(0, 2 * np.pi), rng.uniform(0.72, 0.93))
        flaps.append(flap)
    factor = outlines.to_area(polygon, np.pi * radius * radius)
    return polygon * factor, tuple(flap * factor for flap in flaps)


def _draw_nucleus(spec: Nucleus, cytoplasm: Polygon, rng: np.random.Generator) -> Polygon:
    """Outline of the nucleus; pulled to the middle, then shrunk, until it lies within the cytoplasm."""
    radii = outlines.wavy(NUCLEUS_RIM, spec.irregularity.draw(rng), rng, range(2, 6))
    nucleus = outlines.trace(radii, spec.elongation.draw(rng), rng.uniform(0, 2 * np.pi))
    nucleus *= outlines.to_area(nucleus, spec.nc_ratio.draw(rng) * outlines.area(cytoplasm))
    radius = math.sqrt(outlines.area(cytoplasm) / math.pi)
    direction = rng.uniform(0, 2 * np.pi)
    offset = spec.eccentricity.draw(rng) * radius * exact.direction(direction)
    for _ in range(30):
        for share in (1.0, 0.7, 0.4, 0.0):
            placed: Polygon = nucleus + offset * share
            if outlines.clearance(cytoplasm, placed) >= CLEARANCE * radius:
                return placed
        nucleus *= 0.93
    smallest: Polygon = nucleus * (0.1 * radius / np.abs(nucleus).max())
    return smallest


def _between(
    cytoplasm: Polygon, nucleus: Polygon, theta: NDArray[np.float64], share: NDArray[np.float64] | float
) -> Polygon:
    """Points in the directions `theta` about the nucleus, at `share` of the way from its rim to the cell's."""
    middle = outlines.middle(nucleus)
    inner = outlines.reach_from(nucleus, middle, theta)
    outer = outlines.reach_from(cytoplasm, middle, theta)
    reach = inner + share * np.maximum(outer - inner, 0)
    result: Polygon = middle + reach[:, None] * exact.direction(theta)
    return result


def _draw_halo(cytoplasm: Polygon, nucleus: Polygon, extent: float, rng: np.random.Generator) -> Polygon:
    """Outline of the perinuclear zone, which takes `extent` of the way from the nucleus to the cell's rim."""
    share = np.clip(extent * outlines.wavy(NUCLEUS_RIM, 0.22, rng), 0.05, 0.85)
    return _between(cytoplasm, nucleus, outlines.angles(NUCLEUS_RIM), share)


def _draw_creases(cytoplasm: Polygon, nucleus: Polygon, count: int, rng: np.random.Generator) -> tuple[Polygon, ...]:
    """Thin spindles from the middle of the cytoplasm towards its rim."""
    creases = []
    along = np.arange(12) / 11
    arch = exact.sincos(np.pi * along)[0]
    for _ in range(count):
        theta = rng.uniform(0, 2 * np.pi) + np.array([0.0, draws.normal(0, 0.5, rng)])
        start, end = _between(cytoplasm, nucleus, theta, np.array([rng.uniform(0.1, 0.6), rng.uniform(0.75, 0.97)]))
        run = end - start
        length = float(exact.length(run))
        normal = np.array([-run[1], run[0]]) / max(length, 1e-6)
        bow = draws.normal(0, 0.12, rng) * length * arch
        width = rng.uniform(1.5, 3.5) * np.sqrt(np.maximum(arch, 0))
        middle = start + along[:, None] * run + bow[:, None] * normal
        sides = (middle + width[:, None] * normal, (middle - width[:, None] * normal)[::-1])
        creases.append(np.concatenate(sides))
    return tuple(creases)


def _draw_vacuoles(cytoplasm: Polygon, nucleus: Polygon, count: int, rng: np.random.Generator) -> tuple[Polygon, ...]:
    """Small round bubbles between nucleus and rim."""
    centres = _between(cytoplasm, nucleus, rng.uniform(0, 2 * np.pi, count), rng.uniform(0.25, 0.75, count))
    radius = math.sqrt(outlines.area(cytoplasm) / math.pi)
    sizes = radius * rng.uniform(0.05, 0.16, count)
    return tuple(outlines.disc((x, y), size) for (x, y), size in zip(centres, sizes, strict=True))


def _draw_nucleoli(nucleus: Polygon, probability: float, rng: np.random.Generator) -> tuple[Polygon, ...]:
    """One or two nucleoli in a share `probability` of the nuclei."""
    count = int(rng.integers(1, 3)) if rng.random() < probability else 0
    middle, radius = outlines.middle(nucleus), math.sqrt(outlines.area(nucleus) / math.pi)
    bodies = []
    for _ in range(count):
        x, y = middle + rng.uniform(-0.4, 0.4, 2) * radius
        bodies.append(outlines.disc((x, y), radius * rng.uniform(0.14, 0.24), 10))
    return tuple(bodies)


def _draw_look(kind: CellClass, preference: NDArray[np.float64], halo: float, rng: np.random.Generator) -> Look:
    """Appearance of one cell on a slide with this `preference` of dyes."""
    cytoplasm: Cytoplasm = kind.cytoplasm
    dyes = cytoplasm.dyes
    shares = np.array([dyes.eosin, dyes.orange_g, dyes.light_green]) * preference
    leading = rng.choice(3, p=shares / shares.sum())
    purity = cytoplasm.purity.draw(rng)
    mixture = draws.dirichlet((1, 1, 1), rng) * (1 - purity)
    mixture[leading] += purity
    return Look(
        mixture=mixture,
        density=cytoplasm.density.draw(rng),
        dome=cytoplasm.dome.draw(rng),
        granularity=cytoplasm.granularity.draw(rng),
        edge=cytoplasm.edge.draw(rng),
        hyperchromasia=kind.nucleus.hyperchromasia.draw(rng),
        chromatin=kind.nucleus.granularity.draw(rng),
        halo=halo,
    )
