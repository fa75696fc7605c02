"""Stains: what the dyes of the Papanicolaou method absorb, and how one slide's bath differs from another's.

A field is painted as amounts of dye per pixel. Light passes the dyes one after the other, so their optical
densities add (Beer-Lambert), and so do those of cells that lie over one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws
from cytopipe_phantoms.exact import Plane

HEMATOXYLIN, EOSIN, ORANGE_G, LIGHT_GREEN = range(4)
DYES = ("hematoxylin", "eosin", "orange_g", "light_green")

# Optical density in red, green and blue of one unit of each dye. Hematoxylin and eosin lean on Ruifrok and
# Johnston, "Quantification of histochemical staining by color deconvolution" (2001), table 1; eosin carries
# more blue, orange G and light green are set to the colours of SIPaKMeD's cells.
ABSORPTION = np.array(
    [
        [0.66, 0.68, 0.43],
        [0.16, 0.82, 0.52],
        [0.10, 0.52, 0.95],
        [0.92, 0.33, 0.24],
    ]
)


@dataclass(frozen=True)
class Bath:
    """One slide's staining.

    Attributes:
        absorption: (4, 3) optical density in R, G, B of a unit of each dye, in the order of DYES.
        preference: (3,) factors on the share of cells that take eosin, orange G and light green.
    """

    absorption: NDArray[np.float64]
    preference: NDArray[np.float64]

    def density(self, amounts: Plane) -> Plane:
        """Optical density of an (H, W, 4) float32 map of dye amounts: (H, W, 3) float32."""
        return absorb(amounts, self.absorption)


def blank(height: int, width: int, dyes: int) -> Plane:
    """An (H, W, D) float32 map of no dye; each dye's plane lies in one piece of memory, as it is painted alone."""
    return np.moveaxis(np.zeros((dyes, height, width), np.float32), 0, -1)


def absorb(amounts: Plane, absorption: NDArray[np.float64]) -> Plane:
    """Optical density of an (H, W, D) map of dye amounts whose units absorb (D, 3) in R, G and B: (H, W, 3)."""
    density = blank(amounts.shape[0], amounts.shape[1], 3)
    for dye, absorbed in enumerate(absorption.astype(np.float32)):
        for channel in range(3):
            density[..., channel] += amounts[..., dye] * absorbed[channel]
    return density


def prepare_bath(gain_sd: float, hue_sd: float, preference_sd: float, rng: np.random.Generator) -> Bath:
    """Draws one slide's staining about the standard one.

    Args:
        gain_sd: standard deviation of the log of each dye's strength.
        hue_sd: standard deviation of the log of each dye's absorption in each channel.
        preference_sd: standard deviation of the log of the preference of cytoplasm for each counterstain.
        rng: the slide's generator.
    """
    gains = draws.lognormals(0, gain_sd, (len(DYES), 1), rng)
    hues = draws.lognormals(0, hue_sd, ABSORPTION.shape, rng)
    return Bath(ABSORPTION * gains * hues, draws.lognormals(0, preference_sd, (len(DYES) - 1,), rng))
