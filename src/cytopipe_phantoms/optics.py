"""The microscope: turns optical density into the 8-bit image that a camera takes of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cytopipe_phantoms.textures import Plane, blur, smooth_noise

FLARE = 0.03  # share of the light that reaches the sensor without passing the specimen


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
        light = np.float32(FLARE) + np.float32(1 - FLARE) * np.exp(density * np.float32(-np.log(10)))
        light = self._aberrate(blur(light, self.blur))
        light *= self._illumination(density.shape[:2])[..., None] * self.lamp.astype(np.float32)
        result: NDArray[np.uint8] = np.clip(np.rint(light + self._grain(light, rng)), 0, 255).astype(np.uint8)
        return result

    def _illumination(self, shape: tuple[int, int]) -> Plane:
        """Relative brightness of the lamp over the field, (H, W)."""
        y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
        slope = 1 + np.float32(self.gradient[0]) * x + np.float32(self.gradient[1]) * y
        return slope * (1 - np.float32(self.vignette / 2) * (x * x + y * y))

    def _aberrate(self, light: Plane) -> Plane:
        """Magnifies red and shrinks blue about the middle: coloured fringes towards the corners."""
        height, width = light.shape[:2]
        for channel, factor in ((0, 1 + self.fringe), (2, 1 - self.fringe)):
            move = np.array([[factor, 0, (1 - factor) * (width - 1) / 2], [0, factor, (1 - factor) * (height - 1) / 2]])
            plane = np.ascontiguousarray(light[..., channel])
            light[..., channel] = cv2.warpAffine(plane, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return light

    def _grain(self, light: Plane, rng: np.random.Generator) -> Plane:
        """Noise of the sensor: grows with the root of the light, partly shared by neighbours and channels."""
        height, width = light.shape[:2]
        own = rng.standard_normal(light.shape, dtype=np.float32)
        shared = smooth_noise((height, width), 1.0, rng)[..., None]
        strength = np.float32(self.noise) * np.sqrt(np.maximum(light, 0) / 200 + np.float32(0.1))
        return strength * (np.float32(0.7) * own + np.float32(0.7) * shared)
