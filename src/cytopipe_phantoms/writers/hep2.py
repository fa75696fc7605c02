"""Writes phantom HEp-2 cells in the layout of the ICPR 2014 contest on indirect immunofluorescence images.

Layout after Hobson et al., "Benchmarking human epithelial type 2 interphase cells classification methods on a very
large dataset" (Artificial Intelligence in Medicine 65, 2015), as re-published with a split of single images:
8-bit grey PNGs in training/, validation/ and test/, and gt_training.csv with the class of every image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.spec import NormalAmount, NormalRadius, NormalRatio, NormalShare, Section, Share
from cytopipe_phantoms.spots import gaussian_spots, scatter, uneven_disc
from cytopipe_phantoms.textures import blur, fractal_noise, smooth_noise, speckles
from cytopipe_phantoms.traits import Scores, Traits, draw_scores, draw_traits
from cytopipe_phantoms.writer import File, Labelled, Request, Unit, Writer

CLASSES = ("Homogeneous", "Speckled", "Nucleolar", "Centromere", "NuMem", "Golgi")
SPLITS = {"training": 0.64, "validation": 0.16, "test": 0.20}  # the published 8701 / 2175 / 2720 images
GOLDEN = (np.sqrt(5) - 1) / 2
RIM = 48  # corners of a nucleus
ABSENT = NormalAmount(mean=0, sd=0, low=0, high=0)


class Specimen(Section):
    """One patient's serum on one slide, and the picture taken of it."""

    positive: Share
    photons_positive: NormalAmount
    photons_intermediate: NormalAmount
    blur: NormalAmount
    background: NormalAmount
    neighbours: NormalAmount


class Nuclei(Section):
    """Size and shape of interphase nuclei, whatever their staining."""

    radius: NormalRadius
    elongation: NormalRatio
    irregularity: NormalShare
    offset: NormalAmount


class Pattern(Section):
    """Where the antibodies bind; brightness is relative, a structure that is not named is absent."""

    nucleoplasm: NormalAmount
    cytoplasm: NormalAmount
    grain: NormalShare
    grain_length: NormalAmount
    speckles: NormalAmount = ABSENT
    speckle_length: NormalAmount = ABSENT
    holes: NormalAmount = ABSENT
    nucleoli: NormalAmount = ABSENT
    nucleolus_radius: NormalAmount = ABSENT
    nucleolus_brightness: NormalAmount = ABSENT
    dots: NormalAmount = ABSENT
    dot_radius: NormalAmount = ABSENT
    dot_brightness: NormalAmount = ABSENT
    rim: NormalAmount = ABSENT
    rim_width: NormalAmount = ABSENT
    golgi: NormalAmount = ABSENT
    golgi_arc: NormalAmount = ABSENT
    golgi_brightness: NormalAmount = ABSENT


class Hep2(Section):
    """The whole table."""

    side: Annotated[int, Field(gt=0)]
    likeness: Share
    specimen: Specimen
    nuclei: Nuclei
    classes: dict[str, Pattern]


@dataclass(frozen=True)
class Group:
    """Properties that the cells of one specimen share: how it was prepared, and their scores among all cells."""

    photons: float
    blur: float
    background: float
    neighbours: float
    nuclei: Scores
    pattern: Scores


def draw_specimen(phantom: Hep2, request: Request, unit: Unit) -> Iterator[File]:
    """The cells of one specimen: hep2/{training,validation,test}/00001.png.

    Ids count through the classes, in each through its specimens. Each cell draws from its own seed (seed, class,
    specimen, cell): more specimens leave the others' images and splits as they were, though later ids move on.
    The split is of single images, as the published one, and tears specimens.
    """
    seed, count = [request.seed, unit.index, unit.number], request.cells_per_field
    group = prepare_specimen(phantom, unit.label, seed)
    for cell in range(count):
        position = unit.number * count + cell
        number = unit.index * request.fields_per_class * count + position + 1
        image = take_cell(phantom, unit.label, group, scale=request.scale, seed=[*seed, cell])
        yield File(f"hep2/{split_of(request.seed, unit.index, position)}/{number:05d}.png", image, unit.label)


def list_labels(images: Labelled) -> Iterable[File]:
    """hep2/gt_training.csv: the class of every image."""
    rows = [f"{PurePosixPath(path).stem},{label}" for path, label in images]
    yield File("hep2/gt_training.csv", "\n".join(["Image ID,Image class", *rows]) + "\n")


def split_of(seed: int, index: int, position: int) -> str:
    """The published folder of the cell at `position` within the class of this index.

    Multiples of the golden ratio, from a random start, fill the unit interval evenly: any run of cells, however
    short, is dealt out close to the published shares, each specimen to all of them.
    """
    start = np.random.default_rng([seed, index, 2**31]).random()
    place, upper = (start + position * GOLDEN) % 1, 0.0
    for split, share in SPLITS.items():
        upper += share
        if place < upper:
            return split
    return split


def prepare_specimen(phantom: Hep2, name: str, seed: list[int]) -> Group:
    """Draws what the cells of one specimen of class `name` have in common; `seed` is its entropy."""
    rng, specimen = np.random.default_rng(seed), phantom.specimen
    positive = rng.random() < specimen.positive
    return Group(
        photons=(specimen.photons_positive if positive else specimen.photons_intermediate).draw(rng),
        blur=specimen.blur.draw(rng),
        background=specimen.background.draw(rng),
        neighbours=specimen.neighbours.draw(rng),
        nuclei=draw_scores(phantom.nuclei, rng),
        pattern=draw_scores(phantom.classes[name], rng),
    )


def take_cell(phantom: Hep2, name: str, group: Group, *, scale: float, seed: list[int]) -> NDArray[np.uint8]:
    """Draws one cell of class `name` and its (S, S) uint8 picture, S = the table's side times `scale`."""
    shapes, textures, sensor = np.random.default_rng(seed).spawn(3)
    nuclei = draw_traits(phantom.nuclei, group.nuclei, phantom.likeness, shapes)
    pattern = draw_traits(phantom.classes[name], group.pattern, phantom.likeness, shapes)
    side = round(phantom.side * scale)
    middle = side / 2 + nuclei["offset"] * scale * draws.normals(0, 1, 2, shapes)
    glow = np.full((side, side), group.background, np.float32)
    _paint(glow, nuclei, pattern, middle, scale, shapes, textures)
    for _ in range(draws.poisson(group.neighbours, shapes)):
        theta, away = shapes.uniform(0, 2 * np.pi), scale * nuclei["radius"] * shapes.uniform(1.95, 2.5)
        beside = middle + away * exact.direction(theta)
        _paint(glow, nuclei, pattern, beside, scale, shapes, textures)
    defocus = group.blur * draws.lognormal(0, 0.25, shapes) * scale
    return _photograph(blur(glow, defocus), group.photons * draws.lognormal(0, 0.3, shapes), sensor)


def _paint(
    glow: Plane,
    nuclei: Traits,
    pattern: Traits,
    middle: NDArray[np.float64],
    scale: float,
    shapes: np.random.Generator,
    textures: np.random.Generator,
) -> None:
    """Adds the light of one cell with its nucleus at `middle` (x, y), in place."""
    size = (glow.shape[0], glow.shape[1])
    radius = nuclei["radius"] * scale
    rim = outlines.trace(
        outlines.wavy(RIM, nuclei["irregularity"], shapes, range(2, 6)), nuclei["elongation"], shapes.uniform(0, np.pi)
    )
    nucleus = rim * radius
    inside = outlines.coverage(nucleus + middle, size)
    depth = _signed_depth(inside)
    dome = np.float32(0.65) + np.float32(0.35) * np.sqrt(np.clip(depth / np.float32(radius), 0, 1))
    body = np.maximum(1 + pattern["grain"] * fractal_noise(size, pattern["grain_length"] * scale, textures), 0.1)
    light = np.float32(pattern["nucleoplasm"]) * inside * dome * body.astype(np.float32)
    if pattern["speckles"] > 0:
        light += pattern["speckles"] * inside * dome * speckles(size, pattern["speckle_length"] * scale, 0.3, textures)
    for at in scatter(nucleus, 0.6, draws.poisson(pattern["holes"], shapes), shapes):
        hole = outlines.coverage(uneven_disc(4.2 * scale, shapes) + at + middle, size)
        light *= 1 - np.float32(0.6) * blur(hole, scale)
    count = 1 + draws.poisson(max(pattern["nucleoli"] - 1, 0), shapes) if pattern["nucleolus_brightness"] > 0 else 0
    for at in scatter(nucleus, 0.65, count, shapes):
        body = uneven_disc(pattern["nucleolus_radius"] * scale * shapes.uniform(0.55, 1.3), shapes)
        brightness = np.float32(pattern["nucleolus_brightness"] * shapes.uniform(0.6, 1))
        light += brightness * outlines.coverage(body + at + middle, size)
    dots = scatter(nucleus, 0.9, draws.poisson(pattern["dots"], shapes), shapes) + middle
    heights = pattern["dot_brightness"] * draws.lognormals(0, 0.35, (len(dots),), shapes)
    light += gaussian_spots(dots, heights, pattern["dot_radius"] * scale, size)
    ring = exact.decay(np.square((depth - np.float32(0.5)) / np.float32(max(pattern["rim_width"] * scale, 0.5))))
    light += pattern["rim"] * ring * np.maximum(1 + np.float32(0.3) * smooth_noise(size, 0.3 * radius, textures), 0)
    light += _golgi(nucleus, pattern, scale, middle, size, shapes)
    # Cytoplasm glows about the nucleus and fades within one more radius.
    fade = exact.decay(np.maximum(-depth, 0) / np.float32(0.8 * radius))
    mottled = np.maximum(1 + np.float32(0.3) * fractal_noise(size, 4 * scale, textures), 0)
    glow += light + np.float32(pattern["cytoplasm"]) * fade * mottled * (1 - np.float32(0.4) * inside)


def _signed_depth(inside: Plane) -> Plane:
    """Distance in pixels from the rim, positive within the shape, negative without."""
    depth = outlines.depth(inside >= 0.5) - outlines.depth(inside < 0.5)
    bounded: Plane = np.clip(depth, -max(inside.shape), max(inside.shape))  # a shape beyond the frame is infinitely far
    return bounded


def _golgi(
    nucleus: outlines.Polygon,
    pattern: Traits,
    scale: float,
    middle: NDArray[np.float64],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Plane:
    """Stacks of the Golgi apparatus: clumps along an arc outside, and a few over, the nucleus."""
    count = draws.poisson(pattern["golgi"], rng)
    theta = rng.uniform(0, 2 * np.pi) + draws.normals(0, 1, count, rng) * pattern["golgi_arc"]
    reach = outlines.reach_from(nucleus, np.zeros(2), theta) * draws.normals(1.12, 0.14, count, rng)
    at = middle + reach[:, None] * exact.direction(theta)
    heights = pattern["golgi_brightness"] * draws.lognormals(0, 0.5, (count,), rng)
    coarse = rng.random(count) < 0.5
    light = gaussian_spots(at[coarse], heights[coarse], 2.2 * scale, size)
    return light + gaussian_spots(at[~coarse], heights[~coarse], 1.1 * scale, size)


def _photograph(glow: Plane, photons: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shot and read-out noise at `photons` per unit of light, then the contrast stretched to 0 ... 255."""
    noise = np.sqrt(np.maximum(glow, 0) * np.float32(1 / photons) + np.float32(1.5 / (photons * photons)))
    own = draws.white(glow.shape, rng)
    near = smooth_noise((glow.shape[0], glow.shape[1]), 1.0, rng)
    seen = glow + noise * (np.float32(0.8) * own + np.float32(0.6) * near)
    low, high = np.quantile(seen, [0.001, 0.9995])
    levels = np.clip(np.rint((seen - low) * (255 / max(float(high - low), 1e-6))), 0, 255)
    image: NDArray[np.uint8] = levels.astype(np.uint8)
    return image


WRITER = Writer(Hep2, draw_specimen, CLASSES, index=list_labels)
