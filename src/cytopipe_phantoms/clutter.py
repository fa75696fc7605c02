"""Clutter: what lies on a smear beside the cells: film, mucus, precipitate, debris and leukocytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.cell import add
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.outlines import Polygon
from cytopipe_phantoms.stain import EOSIN, HEMATOXYLIN, LIGHT_GREEN
from cytopipe_phantoms.textures import blur, fractal_noise, ridges, smooth_noise, speckles


def paint_film(amounts: Plane, film: float, mucus: float, scale: float, rng: np.random.Generator) -> None:
    """Adds the stained film that every smear dries into: cloudy, dotted with precipitate, streaked with mucus.

    Args:
        amounts: (H, W, 4) float32 amounts of dyes; changed in place.
        film: mean amount of light green in the film.
        mucus: probability that mucus streaks cross the field.
        scale: the field's size over the full size.
        rng: the field's generator of textures.
    """
    shape = amounts.shape[:2]
    clouds = np.clip(1 + np.float32(0.6) * fractal_noise(shape, 300 * scale, rng), 0, None)
    grain = 1 + np.float32(0.15) * fractal_noise(shape, 9 * scale, rng)
    dots = speckles(shape, 2.2 * scale, 0.10, rng) + speckles(shape, 4 * scale, 0.015, rng)
    amounts[..., LIGHT_GREEN] += np.float32(film) * clouds * (grain + np.float32(1.3) * dots * clouds)
    amounts[..., HEMATOXYLIN] += np.float32(0.3 * film) * grain
    if rng.random() < mucus:
        bend = smooth_noise(shape, 240 * scale, rng) + np.float32(0.3) * smooth_noise(shape, 70 * scale, rng)
        where = np.clip(smooth_noise(shape, 350 * scale, rng), 0, 2)
        strands = blur(ridges(bend, 0.07) + np.float32(0.5) * ridges(bend - np.float32(0.35), 0.05), 3 * scale)
        dye = EOSIN if rng.random() < 0.35 else LIGHT_GREEN
        amounts[..., dye] += np.float32(rng.uniform(0.04, 0.11)) * where * (strands + np.float32(0.3))


def paint_sheets(amounts: Plane, count: float, scale: float, rng: np.random.Generator) -> None:
    """Adds pale sheets of torn cytoplasm without nuclei, on average `count` of them.

    Args:
        amounts: (H, W, 4) float32 amounts of dyes; changed in place.
        count: mean number.
        scale: the field's size over the full size.
        rng: the field's generator of shapes.
    """
    height, width = amounts.shape[:2]
    for _ in range(draws.poisson(count, rng)):
        radii = outlines.wavy(80, 0.1, rng) * outlines.cornered(80, int(rng.integers(4, 8)), rng)
        polygon = outlines.trace(rng.uniform(40, 150) * scale * radii, rng.uniform(1, 2), rng.uniform(0, 2 * np.pi))
        place, haze = rng.uniform(0, [width, height]), rng.uniform(2, 7) * scale
        dyes = np.array([0.1, *draws.dirichlet((0.7, 0.3, 1.2), rng)]) * rng.uniform(0.03, 0.12)
        _stamp(amounts, [polygon + place], dyes, haze)


def paint_debris(amounts: Plane, count: float, nuclei: Plane, scale: float, rng: np.random.Generator) -> None:
    """Adds fragments of cells and specks of dirt, kept off the annotated nuclei.

    Args:
        amounts: (H, W, 4) float32 amounts of dyes; changed in place.
        count: mean number.
        nuclei: (H, W) coverage of the annotated nuclei.
        scale: the field's size over the full size.
        rng: the field's generator of shapes.
    """
    height, width = nuclei.shape
    for _ in range(draws.poisson(count, rng)):
        x, y = place = rng.uniform(0, [width, height])
        radius = scale * min(draws.lognormal(2.0, 0.6, rng), 34)
        radii = radius * outlines.wavy(24, 0.22, rng)
        polygon = outlines.trace(radii, rng.uniform(1, 2.2), rng.uniform(0, 2 * np.pi)) + place
        strength, haze = rng.uniform(0.1, 0.7), rng.uniform(0.5, 3) * scale
        dyes = draws.dirichlet((1.2, 0.6, 0.3, 1.0), rng) * strength
        reach = int(2 * radius) + 1
        rows, columns = (slice(max(int(at) - reach, 0), int(at) + reach + 1) for at in (y, x))
        if not nuclei[rows, columns].any():
            _stamp(amounts, [polygon], dyes, haze)


def paint_leukocytes(amounts: Plane, centres: NDArray[np.float64], scale: float, rng: np.random.Generator) -> None:
    """Adds neutrophils: two to four dark lobes in a faint, often ragged cytoplasm.

    Args:
        amounts: (H, W, 4) float32 amounts of dyes; changed in place.
        centres: (N, 2) x, y in pixels of this field.
        scale: the field's size over the full size.
        rng: the field's generator of shapes.
    """
    for centre in centres:
        haze = rng.uniform(0.8, 3.5) * scale
        body = outlines.trace(rng.uniform(17, 23) * scale * outlines.wavy(24, 0.12, rng), 1.15, rng.uniform(0, 6))
        _stamp(amounts, [body + centre], rng.uniform(0.05, 0.22) * np.array([0.3, 0.15, 0.05, 0.5]), haze)
        dark = rng.uniform(0.4, 0.85)
        count, turn = int(rng.integers(2, 5)), rng.uniform(0, 2 * np.pi)
        lobes = []
        for lobe in range(count):
            theta = turn + lobe * rng.uniform(1.3, 1.9)
            offset = scale * rng.uniform(5, 9) * exact.direction(theta)
            outline = outlines.trace(rng.uniform(6, 9) * scale * outlines.wavy(16, 0.1, rng), 1.2, theta)
            lobes.append(outline + centre + offset)
        _stamp(amounts, lobes, np.array([dark, 0, 0, 0.05]), 0.8 * haze)


def _stamp(amounts: Plane, polygons: Sequence[Polygon], dyes: NDArray[np.float64], haze: float) -> None:
    """Adds evenly stained polygons, which may overlap, to a field."""
    left, top, right, bottom = outlines.box(np.concatenate(polygons), int(np.ceil(3 * haze)) + 1)
    whole = outlines.fill(polygons[0] - (left, top), bottom - top, right - left)
    for polygon in polygons[1:]:
        whole += outlines.fill(polygon - (left, top), bottom - top, right - left)
    covered = blur(whole, haze)
    for dye, amount in enumerate(dyes.astype(np.float32)):
        if amount:
            add(amounts[..., dye], covered * amount, left, top)
