"""Changes of stain: affine maps of optical density, which is how much light the stains of a pixel absorb.

Ruifrok & Johnston 2001, "Quantification of histochemical staining by color deconvolution" (the stains' colours)
Tellez et al. 2018, "Whole-slide mitosis detection in H&E breast histology using PHH3 as a reference to train
distilled stain-invariant convolutional networks", arXiv:1808.05896 (jitter of the amounts of stain)
"""

from __future__ import annotations

import cv2
import numpy as np

from cytopipe.core.params import Augmentation

LEVELS = 256  # a value v lets the share (v + 1) / LEVELS of the light pass, so that black has a finite density
DARKEST = float(np.log(LEVELS))
# Optical densities (red, green, blue) of a unit of haematoxylin, eosin and DAB.
HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_AMOUNTS = np.linalg.inv(HED)
_DENSITIES = -np.log((np.arange(LEVELS) + 1) / LEVELS).astype(np.float32)


def draw_stains(config: Augmentation, draws: np.ndarray) -> np.ndarray | None:
    """The maps of N samples, N x 3 x 4 float32, or None: jitter of the stains, then gamma.

    Args:
        config: strengths; `hed` scales each stain by 1 - hed to 1 + hed and adds -hed to hed, `gamma` raises the
            share of the light to the power exp(-gamma) to exp(gamma).
        draws: N x 7, uniform in [0, 1): gamma, three scales, three additions.
    """
    if not (config.gamma or config.hed):
        return None
    between = 2 * draws - 1
    power = np.exp(config.gamma * between[:, 0])[:, None, None]
    scales, added = 1 + config.hed * between[:, 1:4], config.hed * between[:, 4:7]
    linear = np.einsum("sc,ns,ds->ncd", HED, scales, _AMOUNTS)
    maps: np.ndarray = (power * np.concatenate([linear, (added @ HED)[..., None]], axis=2)).astype(np.float32)
    return maps


def densities(image: np.ndarray) -> np.ndarray:
    """Optical densities of a uint8 image of any shape, float32, from 0 (255) to `DARKEST` (0)."""
    found: np.ndarray = cv2.LUT(image, _DENSITIES)
    return found


def light(density: np.ndarray) -> np.ndarray:
    """The uint8 image of these optical densities, H x W x 3 float32; what is brighter than white is white."""
    passed = cv2.exp(-np.minimum(density, DARKEST))
    image: np.ndarray = cv2.convertScaleAbs(passed, alpha=LEVELS, beta=-1)
    return image


def restain(image: np.ndarray, stains: np.ndarray) -> np.ndarray:
    """An H x W x 3 uint8 image under a map of its densities, 3 x 4."""
    return light(cv2.transform(densities(image), stains))
