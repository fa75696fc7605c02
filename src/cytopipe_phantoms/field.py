"""A field of view: one slide's stain and microscope, its cells, and the picture taken of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.anatomy import Cell
from cytopipe_phantoms.cell import paint_cell
from cytopipe_phantoms.clutter import paint_debris, paint_film, paint_leukocytes, paint_sheets
from cytopipe_phantoms.optics import Microscope
from cytopipe_phantoms.outlines import coverage
from cytopipe_phantoms.placement import lay_out
from cytopipe_phantoms.spec import Phantom, Slide
from cytopipe_phantoms.stain import DYES, blank, prepare_bath


@dataclass(frozen=True)
class Field:
    """A picture and the cells annotated in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        cells: the annotated cells, outlines in pixels of the image, rounded to hundredths.
        bystanders: cells that the field's edge cuts, which are not annotated.
        leukocytes: (N, 2) centres.
    """

    image: NDArray[np.uint8]
    cells: tuple[Cell, ...]
    bystanders: tuple[Cell, ...]
    leukocytes: NDArray[np.float64]


def take_field(phantom: Phantom, name: str, *, count: int, scale: float, seed: list[int]) -> Field:
    """Prepares one slide with cells of one class and photographs a field of it.

    Shapes draw from a generator of their own, so that with the same seed cells, debris and leukocytes lie alike
    at every scale; only the textures' grain differs.

    Args:
        phantom: the biology table.
        name: class of the annotated cells.
        count: mean number of annotated cells.
        scale: size of the field over the table's full size.
        seed: entropy of this field.
    """
    shapes, textures, sensor = np.random.default_rng(seed).spawn(3)
    slide, size = phantom.slide, phantom.field
    bath = prepare_bath(slide.dye_gain_sd, slide.dye_hue_sd, slide.dye_preference_sd, shapes)
    spread = min(size.cells_spread, count - 1)
    number = count + int(shapes.integers(-spread, spread + 1))
    layout = lay_out(phantom, name, number, bath.preference, shapes)
    origin = np.zeros(2)
    annotated = tuple(cell.at(origin, scale) for cell in layout.annotated)
    bystanders = tuple(cell.at(origin, scale) for cell in layout.bystanders)
    microscope, depth = set_up(slide, scale, shapes)

    amounts = blank(round(size.height * scale), round(size.width * scale), len(DYES))
    nuclei = np.zeros(amounts.shape[:2], np.float32)
    for cell in annotated:
        nuclei = np.maximum(nuclei, coverage(cell.nucleus, amounts.shape[:2]))
    paint_film(amounts, slide.film.draw(shapes), phantom.clutter.mucus, scale, textures)
    paint_sheets(amounts, phantom.clutter.sheets, scale, shapes)
    for cell in (*bystanders, *annotated):
        defocus = abs(draws.normal(0, depth, textures))
        paint_cell(amounts, cell, scale=scale, defocus=defocus, rng=textures)
    paint_debris(amounts, phantom.clutter.debris, nuclei, scale, shapes)
    leukocytes = layout.leukocytes * scale
    paint_leukocytes(amounts, leukocytes, scale, shapes)
    return Field(microscope.photograph(bath.density(amounts), sensor), annotated, bystanders, leukocytes)


def set_up(slide: Slide, scale: float, rng: np.random.Generator) -> tuple[Microscope, float]:
    """Draws one slide's microscope, and the spread of its cells about the plane of focus, in pixels."""
    brightness, warmth = slide.brightness.draw(rng), slide.warmth.draw(rng)
    slope, direction = slide.gradient.draw(rng), rng.uniform(0, 2 * np.pi)
    microscope = Microscope(
        lamp=brightness * np.array([1 + warmth, 1 + 0.15 * draws.normal(0, 0.05, rng), 1 - warmth]),
        gradient=slope * exact.direction(direction),
        vignette=slide.vignette.draw(rng),
        blur=slide.blur.draw(rng) * scale,
        fringe=rng.uniform(0, 0.0012),
        noise=slide.noise.draw(rng),
    )
    return microscope, slide.depth.draw(rng) * scale
