"""Phantom laboratories: real images of stained cells as another stain, camera and scale might have shown them.

They judge networks, so they share no code with the augmentation that trains them. Masks go along where places change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS

Phantom = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
Colour = tuple[float, float, float]


def hue(degrees: float) -> Phantom:
    """All hues turned in HSV."""

    def turned(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + degrees) % 360
        return _rounded(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255), mask

    return turned


def scaled(factor: float) -> Phantom:
    """Cells larger or smaller in the field; what lies outside has the colour of the border."""

    def resized(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        height, width = mask.shape
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, 0, factor)
        around = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]), axis=0).tolist()
        return (
            cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=around),
            cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST, borderValue=BACKGROUND),
        )

    return resized


def poor_optics(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Out of focus, unevenly lit, and saved as a poor JPEG."""
    slope = rng.uniform(-0.25, 0.25, 2)
    rows, columns = (np.linspace(-1, 1, side) for side in mask.shape)
    light = 0.9 + slope[0] * rows[:, None] / 2 + slope[1] * columns / 2
    dim = _rounded(cv2.GaussianBlur(image, (0, 0), 1.5) * light[..., None])
    stored = cv2.imencode(".jpg", dim[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 35])[1]
    shown = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    assert shown is not None
    return np.ascontiguousarray(shown[..., ::-1]), mask


def repainted(
    ground: Colour, cytoplasm: tuple[Colour, Colour], nucleus: tuple[Colour, Colour], red: Colour, factor: float
) -> Phantom:
    """Another palette, another scale, and red cells around, as in smears whose red cells were not dissolved.

    Args:
        ground, red: colours of the background and of red cells.
        cytoplasm, nucleus: two colours each; a cell takes one between them.
        factor: scale of the cell.
    """

    def painted(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, mask = scaled(factor)(image, mask, rng)
        field = np.broadcast_to(np.array(ground, np.float32), image.shape).copy()
        _paint_red_cells(field, mask, np.array(red, np.float32), rng)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        result = field + rng.normal(0, 2, field.shape)
        for part, (first, last) in ((CYTOPLASM, cytoplasm), (NUCLEUS, nucleus)):
            inside = mask == part
            if not inside.any():
                continue
            share = rng.random()
            colour = share * np.array(first) + (1 - share) * np.array(last)
            texture = 1 + 0.9 * (grey - grey[inside].mean()) / 255
            soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.0)[..., None]
            result = result * (1 - soft) + soft * colour * texture[..., None]
        return _rounded(result), mask

    return painted


def _paint_red_cells(field: np.ndarray, mask: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> None:
    """Ellipses with a pale centre, in place, up to the cell but not over it."""
    side = min(mask.shape)
    cell = np.sqrt((mask > BACKGROUND).sum() / np.pi)
    away = cv2.distanceTransform((mask == BACKGROUND).astype(np.uint8), cv2.DIST_L2, 3)
    taken = away < 1
    for _ in range(40):
        radius = cell * rng.uniform(0.45, 0.65)
        y, x = rng.uniform(-0.1, 1.1, 2) * side
        squash, angle = rng.uniform(0.8, 1), rng.uniform(0, np.pi)
        rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
        dy, dx = rows - y, columns - x
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        distance = np.hypot(along, across / squash) / radius
        disc = distance < 1
        if (disc & taken).any():
            continue
        taken |= disc
        pale = 0.35 * np.clip(1 - distance / 0.5, 0, 1)[..., None]
        opaque = np.clip((1 - distance) * radius, 0, 1)[..., None]
        field += opaque * ((1 - pale) * (colour - field))


def _rounded(image: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return rounded


def as_it_is(image: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The laboratory of the images."""
    return image, mask


LABS: Mapping[str, Phantom] = {
    "as they are": as_it_is,
    "hues +40°": hue(40),
    "hues -40°": hue(-40),
    "cells x 0.65": scaled(0.65),
    "cells x 1.5": scaled(1.5),
    "poor optics": poor_optics,
    # Wright-Giemsa under an analyser: ground nearly white, nuclei purple, cytoplasm from grey-blue to pink.
    "purple, red cells": repainted(
        (238, 232, 226), ((176, 168, 208), (214, 190, 205)), ((92, 48, 140), (138, 88, 170)), (216, 166, 164), 0.85
    ),
    # A dark one: dense nuclei, lilac cytoplasm, warm ground, red cells nearly as dark as the cytoplasm.
    "lilac, red cells": repainted(
        (226, 205, 198), ((150, 120, 185), (180, 140, 190)), ((62, 28, 105), (100, 50, 130)), (190, 125, 130), 1.0
    ),
    # May-Grünwald: blue nuclei and a ground of cold grey.
    "blue, red cells": repainted(
        (215, 222, 228), ((150, 180, 215), (190, 200, 220)), ((40, 60, 130), (80, 95, 160)), (205, 180, 165), 0.7
    ),
}
