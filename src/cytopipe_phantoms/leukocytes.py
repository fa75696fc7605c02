"""White blood cells: their outlines and lobed nuclei, and the dyes that they take in a Romanowsky stain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.romanowsky import AZURE, BLUE, EOSIN
from cytopipe_phantoms.spec import NormalAmount, NormalRadius, NormalRatio, NormalShare, Section
from cytopipe_phantoms.spots import gaussian_spots, scatter
from cytopipe_phantoms.textures import blur, fractal_noise
from cytopipe_phantoms.traits import Traits

RIM, LOBE_RIM = 64, 40  # corners of a cell and of a lobe
CLEARANCE = 0.05  # least distance of the nucleus from the cell's rim, share of the radius


class Leukocyte(Section):
    """One class of white cells; lengths in pixels of a full-size picture, amounts of dye in optical densities."""

    radius: NormalRadius
    elongation: NormalRatio
    irregularity: NormalShare
    nc_ratio: NormalShare
    lobes: NormalAmount
    lobe_gap: NormalAmount
    notch: NormalShare
    eccentricity: NormalShare
    chromatin: NormalAmount
    clumping: NormalShare
    cytoplasm_eosin: NormalAmount
    cytoplasm_blue: NormalAmount
    edge: NormalAmount
    granules: NormalAmount
    granule_radius: NormalAmount
    granule_eosin: NormalAmount
    granule_azure: NormalAmount
    vacuoles: NormalAmount


@dataclass(frozen=True)
class Cell:
    """A white cell.

    Attributes:
        cytoplasm: outline of the whole cell.
        lobes: outlines of the nucleus' lobes and of the bridges between them; the nucleus is their union.
        granules, vacuoles: (N, 2) points about the cell.
        traits: how it is stained.
    """

    cytoplasm: Polygon
    lobes: tuple[Polygon, ...]
    granules: Polygon
    vacuoles: Polygon
    traits: Traits

    def at(self, middle: NDArray[np.float64], scale: float) -> Cell:
        """This cell in a picture: moved to `middle`, then everything times `scale`; its traits stay full-size."""
        lobes = tuple((lobe + middle) * scale for lobe in self.lobes)
        granules, vacuoles = ((points + middle) * scale for points in (self.granules, self.vacuoles))
        return Cell((self.cytoplasm + middle) * scale, lobes, granules, vacuoles, self.traits)


def draw_cell(traits: Traits, rng: np.random.Generator) -> Cell:
    """Draws the shapes of a cell about the origin, from its traits (see `Leukocyte`)."""
    rim = outlines.wavy(RIM, traits["irregularity"], rng, range(2, 7))
    cytoplasm = outlines.trace(rim, traits["elongation"], rng.uniform(0, np.pi))
    cytoplasm *= outlines.to_area(cytoplasm, np.pi * traits["radius"] * traits["radius"])
    return Cell(
        cytoplasm=cytoplasm,
        lobes=_place(_draw_nucleus(traits, rng), cytoplasm, traits, rng),
        granules=scatter(cytoplasm, 0.95, draws.poisson(traits["granules"], rng), rng),
        vacuoles=scatter(cytoplasm, 0.9, draws.poisson(traits["vacuoles"], rng), rng),
        traits=traits,
    )


def _draw_nucleus(traits: Traits, rng: np.random.Generator) -> tuple[Polygon, ...]:
    """Lobes along a bent path, joined by bridges; a single lobe may be notched (kidney) or round."""
    count = max(round(traits["lobes"]), 1)
    area = traits["nc_ratio"] * np.pi * traits["radius"] * traits["radius"]
    if count == 1:
        off = (outlines.angles(RIM) - rng.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
        radii = outlines.wavy(RIM, 0.04, rng, range(2, 7)) * (1 - traits["notch"] * exact.exp(-np.square(off / 0.55)))
        shape = outlines.trace(radii, rng.uniform(1.0, 1.25), rng.uniform(0, np.pi))
        return (shape * outlines.to_area(shape, area),)
    reach = math.sqrt(area / count / math.pi)
    # The path from lobe to lobe turns the same way each time: C and U shapes.
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.choice([-1, 1]) * rng.uniform(0.4, 1.5, count - 1))
    steps = reach * (1.6 + traits["lobe_gap"]) * exact.direction(heading)
    middles = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    middles -= outlines.middle(middles)
    lobes = []
    for middle in middles:
        lobe = outlines.trace(outlines.wavy(LOBE_RIM, 0.08, rng), rng.uniform(1.0, 1.4), rng.uniform(0, np.pi))
        lobes.append(lobe * reach * rng.uniform(0.8, 1.15) + middle)
    bridges = [
        _bridge(start, end, reach * rng.uniform(0.12, 0.5))
        for start, end in pairwise(middles)
        if rng.random() < 0.85  # some bridges are too thin to be seen
    ]
    return (*lobes, *bridges)


def _bridge(start: NDArray[np.float64], end: NDArray[np.float64], half: float) -> Polygon:
    """A straight strip of twice `half` width."""
    along = end - start
    normal = half * np.array([-along[1], along[0]]) / max(float(exact.length(along)), 1e-6)
    return np.stack([start + normal, end + normal, end - normal, start - normal])


def _place(
    lobes: tuple[Polygon, ...], cytoplasm: Polygon, traits: Traits, rng: np.random.Generator
) -> tuple[Polygon, ...]:
    """Lays the nucleus beside the cell's middle; pulled to it, then shrunk, until it lies within the cell."""
    theta = rng.uniform(0, 2 * np.pi)
    offset = traits["eccentricity"] * traits["radius"] * exact.direction(theta)
    corners, margin = np.concatenate(lobes), CLEARANCE * traits["radius"]
    hull = cv2.convexHull(corners.astype(np.float32))[:, 0].astype(np.float64)
    size = 1.0
    for _ in range(40):
        for share in (1.0, 0.5, 0.0):
            if outlines.clearance(cytoplasm, hull * size + offset * share) >= margin:
                return tuple(lobe * size + offset * share for lobe in lobes)
        size *= 0.95
    return tuple(lobe * 0.1 for lobe in lobes)


def paint_cell(amounts: Plane, cell: Cell, scale: float, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Adds a cell's dyes to a picture.

    Args:
        amounts: (H, W, 3) float32 amounts of the dyes of `romanowsky.DYES`; changed in place.
        cell: outlines in pixels of this picture.
        scale: the picture's size over the full size; textures shrink with it.
        rng: generator of the textures.

    Returns:
        Share of each pixel within the whole cell, and within its nucleus: two (H, W) float32.
    """
    size, traits = (amounts.shape[0], amounts.shape[1]), cell.traits
    whole = outlines.coverage(cell.cytoplasm, size)
    nucleus = np.max([outlines.coverage(lobe, size) for lobe in cell.lobes], axis=0)
    body = np.maximum(whole - np.float32(0.6) * nucleus, 0)  # some cytoplasm lies over and under the nucleus
    for bubble in cell.vacuoles:
        body *= 1 - np.float32(0.7) * gaussian_spots(bubble[None], np.ones(1), 1.6 * scale, size)
    mottled = np.maximum(1 + np.float32(0.18) * fractal_noise(size, 4 * scale, rng), 0)
    rim = np.clip(whole - blur(whole, 2.2 * scale), 0, 1)
    amounts[..., EOSIN] += traits["cytoplasm_eosin"] * body * mottled
    amounts[..., BLUE] += (traits["cytoplasm_blue"] * mottled + np.float32(2 * traits["edge"]) * rim) * body
    clumps = 1 + traits["clumping"] * fractal_noise(size, 4.5 * scale, rng)
    clumps += np.float32(0.25) * np.clip(nucleus - blur(nucleus, 2 * scale), 0, 1)
    amounts[..., AZURE] += np.float32(traits["chromatin"]) * nucleus * np.maximum(clumps, np.float32(0.2))
    if len(cell.granules):
        heights = rng.uniform(0.5, 1.0, len(cell.granules))
        grains = np.minimum(gaussian_spots(cell.granules, heights, traits["granule_radius"] * scale, size), 1.5)
        grains *= body
        amounts[..., EOSIN] += traits["granule_eosin"] * grains
        amounts[..., AZURE] += traits["granule_azure"] * grains
    return whole, nucleus
