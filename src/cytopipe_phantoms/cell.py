"""One cell's pigment: turns outlines and appearance into amounts of dye per pixel."""

from __future__ import annotations

import numpy as np

from cytopipe_phantoms import exact, outlines
from cytopipe_phantoms.anatomy import Cell
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.stain import HEMATOXYLIN
from cytopipe_phantoms.textures import blur, fractal_noise, ridges, smooth_noise, speckles


def paint_cell(amounts: Plane, cell: Cell, *, scale: float, defocus: float, rng: np.random.Generator) -> None:
    """Adds a cell's dyes to a field; what lies beyond the field's edge is dropped.

    Args:
        amounts: (H, W, 4) float32, amounts of the dyes in the order of `stain.DYES`; changed in place.
        cell: outlines in pixels of this field.
        scale: the field's size over the full size; textures shrink with it.
        defocus: blur of this cell for lying above or below the plane of focus, sigma in pixels.
        rng: the field's generator of textures.
    """
    pad = int(np.ceil(3 * defocus)) + 2
    left, top, right, bottom = outlines.box(cell.cytoplasm, pad)
    shape, corner = (bottom - top, right - left), np.array([left, top])
    whole = outlines.coverage(cell.cytoplasm - corner, shape)
    nucleus = outlines.coverage(cell.nucleus - corner, shape)
    body = _cytoplasm(cell, corner, whole, scale, rng)
    chromatin = _chromatin(cell, corner, nucleus, scale, rng)
    add(amounts[..., HEMATOXYLIN], blur(chromatin, defocus), left, top)
    # Pink cells turn blue-green in places: the mixture wanders within a cell.
    wander = np.float32(0.10) * smooth_noise(shape, 0.2 * min(shape), rng)
    for dye, (share, turn) in enumerate(zip(cell.look.mixture, (1, 0, -1), strict=True), start=1):
        dyed = body * np.clip(np.float32(share) + np.float32(turn) * wander, 0, 1)
        add(amounts[..., dye], blur(dyed, defocus), left, top)


def add(amounts: Plane, patch: Plane, left: int, top: int) -> None:
    """Adds an (h, w) patch to a larger map at (left, top), in place, clipped at the map's edges."""
    height, width = amounts.shape
    y0, y1, x0, x1 = max(top, 0), min(top + patch.shape[0], height), max(left, 0), min(left + patch.shape[1], width)
    if y0 < y1 and x0 < x1:
        amounts[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]


def _cytoplasm(cell: Cell, corner: Polygon, whole: Plane, scale: float, rng: np.random.Generator) -> Plane:
    """Amount of counterstain: thickness, grain, rim, flaps, creases, halo and vacuoles."""
    look, shape = cell.look, whole.shape
    depth = outlines.depth(whole >= 0.5)
    radius = max(float(depth.max()), 1.0)
    relief = 1 + np.float32(look.dome) * (np.sqrt(np.minimum(depth / radius, 1)) - np.float32(0.6))
    relief *= 1 + np.float32(0.09) * fractal_noise(shape, 0.5 * radius, rng, octaves=4)
    relief *= 1 + np.float32(look.granularity) * fractal_noise(shape, 5 * scale, rng, octaves=2)
    uneven = 1 + np.float32(0.4) * smooth_noise(shape, 0.7 * radius, rng)
    relief += np.float32(look.edge) * np.clip(uneven, 0, 2) * exact.decay(depth / np.float32(7 * scale))
    for flap in cell.flaps:
        relief += np.float32(rng.uniform(0.4, 0.95)) * blur(outlines.coverage(flap - corner, shape), 1.5 * scale)
    for crease in cell.creases:
        relief += np.float32(0.5) * blur(outlines.coverage(crease - corner, shape), 1.5 * scale)
    if cell.halo is not None:
        clear = blur(outlines.coverage(cell.halo - corner, shape), 6 * scale)
        clear *= 1 - np.float32(0.3) * ridges(smooth_noise(shape, 22 * scale, rng), 0.35)  # shreds across it
        # The cytoplasm that the halo displaced is packed along its border.
        packed = np.clip(blur(clear, 12 * scale) - clear, 0, 1)
        relief *= (1 - np.float32(look.halo) * clear) * (1 + np.float32(1.6 * look.halo) * packed)
    for vacuole in cell.vacuoles:
        relief *= 1 - np.float32(0.5) * blur(outlines.coverage(vacuole - corner, shape), 2 * scale)
    result: Plane = np.float32(look.density) * whole * np.maximum(relief, np.float32(0.05))
    return result


def _chromatin(cell: Cell, corner: Polygon, nucleus: Plane, scale: float, rng: np.random.Generator) -> Plane:
    """Amount of hematoxylin: chromatin, its clumps, nuclear membrane and nucleoli."""
    look, shape = cell.look, nucleus.shape
    depth = outlines.depth(nucleus >= 0.5)
    radius = max(float(depth.max()), 1.0)
    grain = fractal_noise(shape, 0.4 * radius, rng)
    clumps = speckles(shape, 0.22 * radius, 0.1, rng)
    relief = 1 + np.float32(look.chromatin) * (grain + np.float32(1.2) * clumps)
    relief += np.float32(0.35) * exact.decay(depth / np.float32(2.5 * scale))
    for body in cell.nucleoli:
        relief += np.float32(0.45) * blur(outlines.coverage(body - corner, shape), scale)
    return np.float32(look.hyperchromasia) * nucleus * np.clip(relief, np.float32(0.2), np.float32(2.5))
