"""Repaint a training image by its true mask: other colours for each part, and red cells on the background.

Domain randomisation: a network that has seen a nucleus in any colour, as long as it is the darkest part, does not
depend on the colours of one laboratory.
    Tobin et al. 2017, arXiv:1703.06907; Billot et al. 2023, "SynthSeg", Medical Image Analysis 86 (both: the idea)
"""

from __future__ import annotations

import cv2
import numpy as np

from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS
from cytopipe.data.stains import densities, light

BOUND = 0.3  # of the texture that is kept, density
_PARTS = (BACKGROUND, CYTOPLASM, NUCLEUS)


def repaint(
    image: np.ndarray, mask: np.ndarray, palette: bool, neighbours: bool, rng: np.random.Generator
) -> np.ndarray:
    """Repaint an image.

    Args:
        image: H x W x 3 uint8.
        mask: H x W uint8: background, cytoplasm, nucleus.
        palette: shift the density of each part towards a random one; the nucleus becomes the darkest.
        neighbours: paint red cells on the background, up to the cell.
        rng: what is drawn comes from it.

    Returns:
        H x W x 3 uint8.
    """
    density = densities(image)
    sharpness = rng.uniform(0.6, 2)  # of the edges that are painted, pixels: in a real image they are soft as well
    shares = [cv2.GaussianBlur((mask == part).astype(np.float32), (0, 0), sharpness) for part in _PARTS]
    if palette:
        density = _recolour(density, mask, shares, rng)
    if neighbours:
        _paint_red_cells(density, mask, shares[BACKGROUND], rng)
    return light(density)


def _tint(rng: np.random.Generator, least: float = 0.4) -> np.ndarray:
    """A random colour of density 1 on average over red, green and blue, 3 float32."""
    return _of_density_one(rng.uniform(least, 2 - least, 3))


def _recolour(density: np.ndarray, mask: np.ndarray, shares: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Densities with each part's mean moved towards a random one, its texture weaker or stronger, and some grain."""
    ground = rng.uniform(0, 0.35) * _tint(rng)
    cytoplasm = ground + rng.uniform(0.1, 0.8) * _tint(rng)
    nucleus = cytoplasm + rng.uniform(0.35, 1.4) * _tint(rng)
    strength, texture = rng.uniform(0.2, 1), rng.uniform(0.6, 1.4)
    before, after = (np.zeros_like(density) for _ in range(2))
    for part, share, colour in zip(_PARTS, shares, (ground, cytoplasm, nucleus), strict=True):
        mean = np.array(cv2.mean(density, (mask == part).astype(np.uint8))[:3], np.float32)
        before += share[..., None] * mean
        after += share[..., None] * (mean + strength * (colour - mean)).astype(np.float32)
    grain, size = rng.standard_normal(mask.shape, np.float32), rng.uniform(0.7, 2.5)  # chromatin, granules
    grain = cv2.GaussianBlur(grain, (0, 0), size) * np.float32(2 * size)  # of deviation 0.6, whatever its size
    amounts = rng.uniform(0, (0.2, 0.4, 0.4)) ** 2  # little on the ground
    amount = sum(share * np.float32(most) for share, most in zip(shares, amounts, strict=True))
    # Texture grows with the stain. It is bounded, because true edges do not lie exactly where the mask's are, and the
    # rest of a dark nucleus would ring a pale one.
    stronger = np.clip((after + 0.1) / (before + 0.1), 0.2, 1.5) * np.float32(texture)
    own = np.clip(density - before, -BOUND, BOUND)
    changed: np.ndarray = after + stronger * own + (amount * grain)[..., None]
    return changed


def _paint_red_cells(density: np.ndarray, mask: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> None:
    """Paint discs, some with a pale centre, some with a dark rim, in place, where there is room (a share, H x W)."""
    height, width = mask.shape
    # As large as beside the cell; where no cell is seen, a sixth of the image.
    cell = np.sqrt(np.count_nonzero(mask) / np.pi) or min(height, width) / 6
    colour = rng.uniform(0.15, 0.9) * (_tint(rng) if rng.random() < 0.4 else _salmon(rng))
    radius, hollow, rim = cell * rng.uniform(0.3, 0.85), rng.uniform(0, 0.7), rng.uniform(0, 0.4)
    for _ in range(rng.integers(2, 16)):
        size = radius * rng.uniform(0.85, 1.15)
        y, x = rng.uniform(-0.1, 1.1) * height, rng.uniform(-0.1, 1.1) * width
        top, left = max(0, int(y - size)), max(0, int(x - size))
        bottom, right = min(height, int(y + size) + 2), min(width, int(x + size) + 2)
        if top >= bottom or left >= right:
            continue
        dy, dx = (np.arange(top, bottom) - y)[:, None], np.arange(left, right) - x
        away = (np.hypot(dy * rng.uniform(1, 1.25), dx * rng.uniform(1, 1.25)) / size).astype(np.float32)
        cover = np.clip((1 - away) * size / 1.5, 0, 1) * room[top:bottom, left:right]
        depth = 1 - hollow * np.clip(1 - away / 0.6, 0, 1) + rim * np.clip(1 - np.abs(away - 0.92) / 0.1, 0, 1)
        here = density[top:bottom, left:right]
        here += cover[..., None] * (depth[..., None] * colour - here)


def _salmon(rng: np.random.Generator) -> np.ndarray:
    """The pink of haemoglobin under eosin, of density 1 on average."""
    return _of_density_one(np.array([0.5, 1.35, 1.15]) + rng.uniform(-0.3, 0.3, 3))


def _of_density_one(tint: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (tint / tint.mean()).astype(np.float32)
    return scaled
