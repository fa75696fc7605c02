"""A preparation: one slide's stain and the microscope it lay under, shared by all pictures of its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.field import set_up
from cytopipe_phantoms.optics import Microscope
from cytopipe_phantoms.spec import Slide
from cytopipe_phantoms.stain import Bath, prepare_bath


@dataclass(frozen=True)
class Preparation:
    """Properties that the pictures of one slide share.

    Attributes:
        bath: its staining.
        microscope: lamp, focus and camera.
        depth: spread of the cells about the plane of focus, in pixels of the pictures.
        film: amount of light green dried onto the glass.
    """

    bath: Bath
    microscope: Microscope
    depth: float
    film: float

    def photograph(self, amounts: Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Picture of an (H, W, 4) float32 map of dye amounts: (H, W, 3) uint8 RGB."""
        return self.microscope.photograph(self.bath.density(amounts), rng)


def prepare(slide: Slide, scale: float, seed: list[int]) -> Preparation:
    """Stains one slide and sets up its microscope.

    Args:
        slide: how slides differ, from the biology table.
        scale: size of the pictures over the table's full size.
        seed: entropy of this slide.
    """
    rng = np.random.default_rng(seed)
    bath = prepare_bath(slide.dye_gain_sd, slide.dye_hue_sd, slide.dye_preference_sd, rng)
    microscope, depth = set_up(slide, scale, rng)
    return Preparation(bath, microscope, depth, slide.film.draw(rng))
