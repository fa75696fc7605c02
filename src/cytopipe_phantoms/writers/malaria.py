"""Writes phantom red blood cells in the layout of the NLM's malaria cell images.

Layout after Rajaraman et al., "Pre-trained convolutional neural networks as feature extractors toward improved malaria
parasite detection in thin blood smear images" (PeerJ 6:e4568, 2018): a folder per class, in it one
cut-out cell on black per image, named by patient, field and cell, and a CSV per class that maps patients to their
cells.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cytopipe_phantoms import draws, exact, outlines
from cytopipe_phantoms.exact import Plane
from cytopipe_phantoms.romanowsky import AZURE, BLUE, EOSIN, Preparation, Smear
from cytopipe_phantoms.spec import (
    Amount,
    NormalAmount,
    NormalRadius,
    NormalRatio,
    NormalShare,
    Section,
    Share,
)
from cytopipe_phantoms.spots import gaussian_spots, scatter, uneven_disc
from cytopipe_phantoms.stain import blank
from cytopipe_phantoms.textures import blur, fractal_noise
from cytopipe_phantoms.traits import Scores, Traits, draw_scores, draw_traits
from cytopipe_phantoms.writer import File, Labelled, Request, Unit, Writer, draw_count

CLASSES = ("Parasitized", "Uninfected")
RIM = 64  # corners of a cell
FIELDS = 3  # pictures of a patient's smear from which cells are cut


class RedCells(Section):
    """Size, shape and haemoglobin."""

    radius: NormalRadius
    elongation: NormalRatio
    irregularity: NormalShare
    haemoglobin: NormalAmount
    mottling: NormalShare
    pallor: NormalShare
    pallor_width: NormalShare
    bitten: Share
    touching: Share


class Parasites(Section):
    """Plasmodium falciparum within a cell: rings and trophozoites; lengths are shares of the cell's radius."""

    extra: Amount
    trophozoites: Share
    ring_radius: NormalShare
    trophozoite_radius: NormalShare
    dot_radius: NormalShare
    chromatin: NormalAmount
    cytoplasm: NormalAmount
    eccentricity: NormalShare


class Lookalikes(Section):
    """Structures that resemble parasites: mean numbers in a cell's picture."""

    platelets: Amount
    precipitate: Amount
    bubbles: Amount
    platelet_density: NormalAmount
    precipitate_density: NormalAmount


class CellClass(Section):
    """One of the two classes."""

    parasites: bool
    lookalikes: Lookalikes


class Malaria(Section):
    """The whole table."""

    likeness: Share
    cells_spread: Annotated[int, Field(ge=0)]
    smear: Smear
    cells: RedCells
    parasites: Parasites
    classes: dict[str, CellClass]


@dataclass(frozen=True)
class Patient:
    """Properties that the cells of one patient share.

    Attributes:
        name: as file names begin.
        fields: times at which the smear was photographed, as in file names.
        preparation: stain and microscope.
        cells, parasites: scores among all patients.
    """

    name: str
    fields: tuple[str, ...]
    preparation: Preparation
    cells: Scores
    parasites: Scores


def draw_patient(phantom: Malaria, request: Request, unit: Unit) -> Iterator[File]:
    """The cells of one patient, of both classes: cell_images/<Class>/*.png.

    Each cell draws from its own seed (seed, patient, class, cell). Full-size cells are about 130 pixels wide.
    """
    patient = prepare_patient(phantom, unit.number, request.scale, [request.seed, unit.number])
    for index, name in enumerate(CLASSES):
        seed = [request.seed, unit.number, index]
        count = draw_count(request.cells_per_field, phantom.cells_spread, np.random.default_rng(seed))
        for cell in range(count):
            image = take_cell(phantom, name, patient, scale=request.scale, seed=[*seed, cell])
            yield File(f"cell_images/{name}/{_file_name(patient, name, cell, count)}", image, name)


def list_patients(images: Labelled) -> Iterable[File]:
    """patientid_cellmapping_<class>.csv without a header: a patient, and the list of files in Python's syntax."""
    for name in CLASSES:
        files = [PurePosixPath(path).name for path, label in images if label == name]
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        for patient, own in groupby(files, key=lambda file: file.partition("_IMG_")[0]):
            rows.writerow((patient, repr(list(own))))
        yield File(f"patientid_cellmapping_{name.lower()}.csv", table.getvalue())


def _file_name(patient: Patient, name: str, cell: int, count: int) -> str:
    """Name of a patient's cell: its field of view, and its number there (odd with parasites, so that none clash)."""
    field = patient.fields[cell * FIELDS // count]
    return f"{patient.name}_IMG_{field}_cell_{2 * cell + 1 + CLASSES.index(name)}.png"


def prepare_patient(phantom: Malaria, number: int, scale: float, seed: list[int]) -> Patient:
    """Draws what the cells of the patient of this number (from 0) have in common; `seed` is its entropy."""
    rng = np.random.default_rng(seed)
    day, start = int(rng.integers(1, 29)), int(rng.integers(9 * 60, 17 * 60))
    times = (start + 4 * k for k in range(FIELDS))
    return Patient(
        name=f"C{100 + number}P{61 + number}ThinF",
        fields=tuple(f"201509{day:02d}_{time // 60:02d}{time % 60:02d}{int(rng.integers(60)):02d}" for time in times),
        preparation=Preparation(phantom.smear, scale, rng),
        cells=draw_scores(phantom.cells, rng),
        parasites=draw_scores(phantom.parasites, rng),
    )


def take_cell(phantom: Malaria, name: str, patient: Patient, *, scale: float, seed: list[int]) -> NDArray[np.uint8]:
    """Draws one cell of class `name`: (H, W, 3) uint8 RGB, cut out along its outline and laid on black."""
    shapes, textures, sensor = np.random.default_rng(seed).spawn(3)
    cells = draw_traits(phantom.cells, patient.cells, phantom.likeness, shapes)
    parts = [_draw_outline(phantom.cells, cells, shapes) * cells["radius"] * scale]
    if shapes.random() < phantom.cells.touching:  # a piece of a neighbour that was not cut away
        theta = shapes.uniform(0, 2 * np.pi)
        rim = outlines.reach_from(parts[0], np.zeros(2), np.array([theta]))[0]
        at = rim * shapes.uniform(0.95, 1.1) * exact.direction(theta)
        parts.append(uneven_disc(rim * shapes.uniform(0.12, 0.4), shapes, 0.3) + at)
    corner = np.floor(np.concatenate(parts).min(axis=0)) - 1
    width, height = (np.ceil(np.concatenate(parts).max(axis=0)) + 1 - corner).astype(int).tolist()
    inside = np.max([outlines.coverage(part - corner, (height, width)) for part in parts], axis=0)
    canvas = Canvas(blank(height, width, 3), parts[0], -corner, cells["radius"] * scale)
    canvas.amounts[..., EOSIN] = _haemoglobin(canvas, cells, inside, textures)
    kind = phantom.classes[name]
    if kind.parasites:
        parasites = draw_traits(phantom.parasites, patient.parasites, phantom.likeness, shapes)
        for _ in range(1 + draws.poisson(phantom.parasites.extra, shapes)):
            canvas.parasite(parasites, shapes.random() < phantom.parasites.trophozoites, shapes)
    canvas.lookalikes(kind.lookalikes, shapes, textures)
    image = patient.preparation.photograph(canvas.amounts, sensor)
    image[inside < 0.5] = 0
    return image


def _draw_outline(spec: RedCells, cells: Traits, rng: np.random.Generator) -> outlines.Polygon:
    """A roundish cell of mean radius 1, of which a share is bitten by a neighbour cut away."""
    radii = outlines.wavy(RIM, cells["irregularity"], rng, range(2, 8))
    if rng.random() < spec.bitten:
        off = (outlines.angles(RIM) - rng.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
        radii *= 1 - rng.uniform(0.1, 0.4) * exact.exp(-np.square(off / rng.uniform(0.2, 0.6)))
    return outlines.trace(radii, cells["elongation"], rng.uniform(0, np.pi))


def _haemoglobin(canvas: Canvas, cells: Traits, inside: Plane, rng: np.random.Generator) -> Plane:
    """Amount of eosin: a disc that is paler in the middle."""
    height, width = inside.shape
    y = (np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5 - canvas.middle[1])) / np.float32(canvas.radius)
    x = (np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5 - canvas.middle[0])) / np.float32(canvas.radius)
    pale = exact.decay(np.square((x * x + y * y) / np.float32(cells["pallor_width"] * cells["pallor_width"])))
    mottled = 1 + np.float32(cells["mottling"]) * fractal_noise((height, width), 0.4 * canvas.radius, rng)
    return np.float32(cells["haemoglobin"]) * (1 - np.float32(cells["pallor"]) * pale) * mottled


@dataclass(frozen=True)
class Canvas:
    """A cell to be painted on.

    Attributes:
        amounts: (H, W, 3) float32 amounts of dye, changed in place.
        outline: of the cell, about the origin, pixels.
        middle: (2,) x, y of the origin in the picture.
        radius: of the cell, pixels.
    """

    amounts: Plane
    outline: outlines.Polygon
    middle: NDArray[np.float64]
    radius: float

    def cover(self, shape: outlines.Polygon, soft: float = 0.02) -> Plane:
        """Share of each pixel within a shape, its edge softened by `soft` cell radii."""
        size = (self.amounts.shape[0], self.amounts.shape[1])
        return blur(outlines.coverage(shape + self.middle, size), soft * self.radius)

    def parasite(self, traits: Traits, trophozoite: bool, rng: np.random.Generator) -> None:
        """Paints a ring (thin cytoplasm about a vacuole, one or two dots of chromatin) or a trophozoite (compact)."""
        at = scatter(self.outline, traits["eccentricity"], 1, rng)[0]
        size = traits["trophozoite_radius" if trophozoite else "ring_radius"] * self.radius * rng.uniform(0.8, 1.2)
        body = uneven_disc(size, rng, 0.25 if trophozoite else 0.08)
        cytoplasm = self.cover(body + at)
        if not trophozoite:
            cytoplasm = np.maximum(cytoplasm - self.cover(body * rng.uniform(0.5, 0.72) + at), 0)
        self.amounts[..., BLUE] += np.float32(traits["cytoplasm"]) * cytoplasm
        self.amounts[..., AZURE] += np.float32(0.35 * traits["chromatin"] if trophozoite else 0.1) * cytoplasm
        for _ in range(1 + (rng.random() < 0.25)):
            dot = at + body[int(rng.integers(len(body)))] * (0.4 if trophozoite else 0.85)
            chromatin = self.cover(uneven_disc(traits["dot_radius"] * self.radius, rng) + dot)
            self.amounts[..., AZURE] += np.float32(traits["chromatin"]) * chromatin

    def lookalikes(self, spec: Lookalikes, rng: np.random.Generator, textures: np.random.Generator) -> None:
        """Paints platelets over the cell, grains of dye, and bubbles that break the light."""
        for _ in range(draws.poisson(spec.platelets, rng)):
            at = scatter(self.outline, 1.0, 1, rng)[0]
            body = uneven_disc(self.radius * rng.uniform(0.12, 0.26), rng, 0.15)
            self.amounts[..., EOSIN] *= 1 - np.float32(0.5) * self.cover(body * 1.3 + at, 0.05)
            platelet = self.cover(body + at, 0.04)
            grain = np.maximum(1 + np.float32(0.5) * fractal_noise(platelet.shape, 0.08 * self.radius, textures), 0)
            self.amounts[..., AZURE] += np.float32(spec.platelet_density.draw(rng)) * platelet * grain
        grains = draws.poisson(spec.precipitate, rng)
        at = scatter(self.outline, 0.95, grains, rng) + self.middle
        heights = np.array([spec.precipitate_density.draw(rng) for _ in range(grains)])
        size = (self.amounts.shape[0], self.amounts.shape[1])
        self.amounts[..., AZURE] += gaussian_spots(at, heights, self.radius * rng.uniform(0.02, 0.05), size)
        for _ in range(draws.poisson(spec.bubbles, rng)):
            at = scatter(self.outline, 0.8, 1, rng)[0]
            body = uneven_disc(self.radius * rng.uniform(0.05, 0.14), rng)
            self.amounts[..., EOSIN] *= 1 - np.float32(0.6) * self.cover(body + at)
            edge = np.maximum(self.cover(body * 1.35 + at) - self.cover(body + at), 0)
            self.amounts[..., AZURE] += np.float32(rng.uniform(0.05, 0.25)) * edge


WRITER = Writer(Malaria, draw_patient, CLASSES, mixed=True, index=list_patients)
