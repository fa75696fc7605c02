"""Romanowsky stains (Giemsa, Wright): what the dyes of blood smears absorb, and how one smear differs from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.optics import Microscope
from cytopipe_phantoms.spec import Amount as Spread
from cytopipe_phantoms.spec import Normal, NormalAmount, NormalShare, Section
from cytopipe_phantoms.stain import absorb

EOSIN, AZURE, BLUE = range(3)
DYES = ("eosin", "azure", "blue")

# Optical density in red, green and blue of one unit of each dye, set to the colours of published smears: eosin on
# haemoglobin and granules, azure B with eosin on chromatin (purple), methylene blue on cytoplasm rich in RNA.
ABSORPTION = np.array(
    [
        [0.18, 0.80, 0.70],
        [0.46, 1.00, 0.42],
        [0.75, 0.55, 0.20],
    ]
)


class Smear(Section):
    """Properties that differ from smear to smear."""

    dye_gain_sd: Spread
    dye_hue_sd: Spread
    brightness: NormalAmount
    warmth: Normal
    gradient: NormalShare
    blur: NormalAmount
    noise: NormalAmount


class Preparation:
    """One smear's stain, and the microscope it lay under.

    Args:
        smear: how smears differ, from the biology table.
        scale: size of the pictures over the table's full size.
        rng: the smear's generator.
        tint: (3,) factors on the lamp's colour, for a film or a filter of this laboratory.
    """

    def __init__(
        self, smear: Smear, scale: float, rng: np.random.Generator, tint: NDArray[np.float64] | None = None
    ) -> None:
        gains = draws.lognormals(0, smear.dye_gain_sd, (len(DYES), 1), rng)
        self.absorption = ABSORPTION * gains * draws.lognormals(0, smear.dye_hue_sd, ABSORPTION.shape, rng)
        warmth, brightness = smear.warmth.draw(rng), smear.brightness.draw(rng)
        lamp = brightness * np.array([1 + warmth, 1.0, 1 - warmth])
        theta = rng.uniform(0, 2 * np.pi)
        self.microscope = Microscope(
            lamp=lamp if tint is None else lamp * tint,
            gradient=smear.gradient.draw(rng) * exact.direction(theta),
            vignette=0.0,
            blur=smear.blur.draw(rng) * scale,
            fringe=0.0,
            noise=smear.noise.draw(rng),
        )

    def photograph(self, amounts: Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Picture of an (H, W, 3) float32 map of dye amounts in the order of DYES: (H, W, 3) uint8 RGB."""
        return self.microscope.photograph(np.maximum(absorb(amounts, self.absorption), 0), rng)
