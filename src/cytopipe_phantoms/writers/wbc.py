"""Writes phantom white blood cells in the layout of the segmentation data of Zheng et al.

Layout after Zheng et al., "Fast and robust segmentation of white blood cell images by self-supervised learning"
(Micron 107, 2018), dataset 1: `Dataset 1/001.bmp` with its mask `001.png`, and a CSV of labels 1 to 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cytopipe_phantoms import draws, exact, leukocytes
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.leukocytes import Leukocyte
from cytopipe_phantoms.outlines import coverage
from cytopipe_phantoms.romanowsky import AZURE, EOSIN, Preparation, Smear
from cytopipe_phantoms.spec import Amount, NormalAmount, NormalRadius, Section, Share
from cytopipe_phantoms.spots import uneven_disc
from cytopipe_phantoms.stain import blank
from cytopipe_phantoms.textures import blur, fractal_noise
from cytopipe_phantoms.traits import Scores, draw_scores, draw_traits
from cytopipe_phantoms.writer import File, Labelled, Request, Unit, Writer

CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
BACKGROUND, CYTOPLASM, NUCLEUS = 0, 128, 255
FOLDER = "segmentation_WBC"
YELLOW = np.array([1.03, 0.97, 0.60])  # the light of the first laboratory's microscope


class Surroundings(Section):
    """Red cells and platelets about the white one."""

    red_cells: Amount
    red_radius: NormalRadius
    haemoglobin: NormalAmount
    pallor: Share
    platelets: Amount


class Wbc(Section):
    """The whole table."""

    side: Annotated[int, Field(gt=0)]
    likeness: Share
    yellow: Share
    smear: Smear
    surroundings: Surroundings
    classes: dict[str, Leukocyte]


@dataclass(frozen=True)
class Slide:
    """Properties that the cells of one smear share: stain and microscope, its red cells, and scores of each class."""

    preparation: Preparation
    haemoglobin: float
    red_radius: float
    scores: dict[str, Scores]


def draw_smear(phantom: Wbc, request: Request, unit: Unit) -> Iterator[File]:
    """The cells of one smear, of all classes, so that the stain says nothing about the class; each with its mask.

    Ids count through the smears, in each through its classes; each cell draws from its own seed (seed, smear, class,
    cell). Full-size pictures are 120 pixels wide.
    """
    seed, count = [request.seed, unit.number], request.cells_per_field
    slide = prepare_slide(phantom, request.scale, seed)
    for index, name in enumerate(CLASSES):
        for cell in range(count):
            image, mask = take_cell(phantom, name, slide, scale=request.scale, seed=[*seed, index, cell])
            stem = f"{(unit.number * len(CLASSES) + index) * count + cell + 1:03d}"
            yield File(f"{FOLDER}/Dataset 1/{stem}.bmp", image, name)
            yield File(f"{FOLDER}/Dataset 1/{stem}.png", mask)


def list_labels(images: Labelled) -> Iterable[File]:
    """Class Labels of Dataset 1.csv: ids without padding, and labels from 1."""
    rows = [f"{int(PurePosixPath(path).stem)},{CLASSES.index(label) + 1}" for path, label in images]
    yield File(f"{FOLDER}/Class Labels of Dataset 1.csv", "\r\n".join(["image ID,class label", *rows]) + "\r\n")


def prepare_slide(phantom: Wbc, scale: float, seed: list[int]) -> Slide:
    """Draws what the cells of one smear have in common; `seed` is its entropy."""
    rng = np.random.default_rng(seed)
    tint = YELLOW if rng.random() < phantom.yellow else None
    return Slide(
        preparation=Preparation(phantom.smear, scale, rng, tint),
        haemoglobin=phantom.surroundings.haemoglobin.draw(rng),
        red_radius=phantom.surroundings.red_radius.draw(rng),
        scores={name: draw_scores(kind, rng) for name, kind in phantom.classes.items()},
    )


def take_cell(
    phantom: Wbc, name: str, slide: Slide, *, scale: float, seed: list[int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws one cell of class `name` in the middle of its picture.

    Returns:
        (S, S, 3) uint8 RGB, and the (S, S) uint8 mask: 0 background, 128 cytoplasm, 255 nucleus; S is the table's
        side times `scale`.
    """
    shapes, textures, sensor, others = np.random.default_rng(seed).spawn(4)
    traits = draw_traits(phantom.classes[name], slide.scores[name], phantom.likeness, shapes)
    cell = leukocytes.draw_cell(traits, shapes)
    side = round(phantom.side * scale)
    middle = np.full(2, phantom.side / 2) + draws.normals(0, 2.5, 2, shapes)
    amounts = blank(side, side, 3)
    _surround(amounts, phantom.surroundings, slide, traits["radius"], middle, scale, others)
    whole, nucleus = leukocytes.paint_cell(amounts, cell.at(middle, scale), scale, textures)
    mask = np.full((side, side), BACKGROUND, np.uint8)
    mask[whole >= 0.5] = CYTOPLASM
    mask[nucleus >= 0.5] = NUCLEUS
    return slide.preparation.photograph(amounts, sensor), mask


def _surround(
    amounts: Plane,
    spec: Surroundings,
    slide: Slide,
    radius: float,
    middle: NDArray[np.float64],
    scale: float,
    rng: np.random.Generator,
) -> None:
    """Paints red cells and platelets that do not touch a white cell of this radius; red cells may overlap."""
    size = (amounts.shape[0], amounts.shape[1])
    for _ in range(draws.poisson(spec.red_cells, rng)):
        reach = slide.red_radius * rng.uniform(0.9, 1.1)
        at = _beside(radius + reach, middle, rng)
        disc = uneven_disc(reach, rng, 0.04)
        cover = coverage((disc + at) * scale, size)
        pale = blur(coverage((disc * 0.5 + at) * scale, size), 0.2 * reach * scale)
        rim = np.maximum(cover - blur(cover, 1.5 * scale), 0)
        amounts[..., EOSIN] += np.float32(slide.haemoglobin) * (cover * (1 - np.float32(spec.pallor) * pale) + rim)
    for _ in range(draws.poisson(spec.platelets, rng)):
        reach = rng.uniform(2.5, 7)
        platelet = uneven_disc(reach, rng, 0.2) + _beside(radius + reach, middle, rng)
        cover = coverage(platelet * scale, size)
        grain = np.maximum(1 + np.float32(0.4) * fractal_noise(size, 2 * scale, rng), 0)
        amounts[..., AZURE] += np.float32(rng.uniform(0.1, 0.35)) * blur(cover, scale) * grain


def _beside(distance: float, middle: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A point further than `distance` from the white cell's middle."""
    theta = rng.uniform(0, 2 * np.pi)
    away = distance * rng.uniform(1.25, 2.2)
    return middle + away * exact.direction(theta)


WRITER = Writer(Wbc, draw_smear, CLASSES, mixed=True, index=list_labels)
