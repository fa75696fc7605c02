"""The microscope: turns optical density into the 8-bit image that a camera takes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms import draws, exact
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.textures import blur, smooth_noise

FLARE = 0.03  # share of the light that reaches the sensor without passing the specimen
LN10 = 2.302585092994046


@dataclass(frozen=True)
class Microscope:
    """Lamp, focus and camera as they were for one slide.

    Attributes:
        lamp: (3,) grey level of the empty field in R, G, B.
        gradient: (2,) relative change of the light from the middle to the right and the lower edge.
        vignette: relative loss of light in the corners.
        blur: sigma of the point spread, pixels.
        fringe: relative difference of magnification between red and blue.
        noise: standard deviation of the sensor's noise in a bright field, grey levels.
    """

    lamp: NDArray[np.float64]
    gradient: NDArray[np.float64]
    vignette: float
    blur: float
    fringe: float
    noise: float

    def photograph(self, density: Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Takes a picture.

        Args:
            density: (H, W, 3) float32 optical density in R, G, B, in decades.
            rng: generator of the sensor's noise.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        light = np.float32(FLARE) + np.float32(1 - FLARE) * exact.decay(np.moveaxis(density, -1, 0) * np.float32(LN10))
        bright = self._illumination(density.shape[:2])
        shared = smooth_noise((density.shape[0], density.shape[1]), 1.0, rng)
        magnification = (1 + self.fringe, 1.0, 1 - self.fringe)
        planes = [
            self._expose(_magnify(blur(plane, self.blur), factor) * (bright * np.float32(lamp)), shared, rng)
            for plane, factor, lamp in zip(light, magnification, self.lamp, strict=True)
        ]
        return np.stack(planes, axis=-1)

    def _illumination(self, shape: tuple[int, ...]) -> Plane:
        """Relative brightness of the lamp over the field, (H, W)."""
        y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
        slope = 1 + np.float32(self.gradient[0]) * x + np.float32(self.gradient[1]) * y[:, None]
        return slope * (1 - np.float32(self.vignette / 2) * (x * x + (y * y)[:, None]))

    def _expose(self, light: Plane, shared: Plane, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Grey levels of one channel: noise grows with the root of the light, partly shared by the channels."""
        strength = np.float32(self.noise) * np.sqrt(np.maximum(light, 0) / 200 + np.float32(0.1))
        noise = strength * (np.float32(0.7) * draws.white(light.shape, rng) + np.float32(0.7) * shared)
        result: NDArray[np.uint8] = np.clip(np.rint(light + noise), 0, 255).astype(np.uint8)
        return result


def _magnify(plane: Plane, factor: float) -> Plane:
    """Magnifies a plane about its middle, by linear interpolation: fringes of colour grow towards the corners."""
    if factor == 1:
        return plane
    for _ in range(2):  # down the columns, then, turned, along the rows
        last = len(plane) - 1
        place = np.clip((np.arange(last + 1) - last / 2) / factor + last / 2, 0, last)
        before = np.minimum(place.astype(np.intp), max(last - 1, 0))
        share = (place - before).astype(np.float32)[:, None]
        after = np.minimum(before + 1, last)
        plane = np.ascontiguousarray((plane[before] * (1 - share) + plane[after] * share).T)
    return plane
