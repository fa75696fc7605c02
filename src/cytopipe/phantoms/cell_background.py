"""Writes phantom patches in the layout of the cell and background data: DB_3/{train,validation}/{background,cell}/.

Patches of 20 x 20 pixels, cut from fields of the smears of `smear`, whose cells are the size of those that the
Bethesda classifier sees: centred on a nucleus, or without any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cytopipe.phantoms.outlines import coverage
from cytopipe.phantoms.preparation import prepare
from cytopipe.phantoms.request import Report, check_request, draw_count, read_classes, split_of
from cytopipe.phantoms.smear import SEVERITY, Smear, fine_scale, take_smear
from cytopipe.phantoms.spec import Phantom

SIDE = 20  # of a published patch, pixels
LEAST = 5  # of a patch at a small scale
CLASSES = ("background", "cell")
TABLE_CLASSES = ("HSIL", "LSIL", "NILM", "SCC")  # of the table shared with `bethesda`
FIELDS = 40  # photographed of a slide at most
ON_LEUKOCYTE, ON_RIM = 0.3, 0.3  # shares of the background's patches; the others lie anywhere
Patches = list[NDArray[np.uint8]]
Pixel = TypeVar("Pixel", np.uint8, np.float32)


@dataclass
class Harvest:
    """Patches of one slide, (S, S, 3) uint8 RGB each."""

    cell: Patches = field(default_factory=list)
    background: Patches = field(default_factory=list)


def write_cell_background(
    folder: Path,
    spec: Path,
    *,
    seed: int,
    fields_per_class: int,
    cells_per_field: int,
    scale: float,
    progress: Report | None = None,
) -> None:
    """Fills `folder` with a phantom of DB_3; the same arguments write the same bytes.

    Each slide draws from its own seed (seed, 0, slide), so that more slides leave the others as they were.

    Args:
        folder: receives DB_3/{train,validation}/{background,cell}/slide_<slide> (<patch>).png; made if absent.
        spec: the biology table of the Bethesda phantom, see `spec.Phantom`.
        seed: 0 or more.
        fields_per_class: slides, 1 or more; each gives patches of both classes. Every fourth has cells of one class.
        cells_per_field: mean number of patches of each class from a slide, 1 or more.
        scale: size over the published patches' 20 pixels; 0.05 to 2, though no patch is smaller than 5.
        progress: called after each slide with the slides done and their total.

    Raises:
        CytopipeError: the table or an argument is not valid.
    """
    check_request(seed=seed, fields_per_class=fields_per_class, cells_per_field=cells_per_field, scale=scale)
    phantom = read_classes(spec, TABLE_CLASSES)
    for split in ("train", "validation"):
        for name in CLASSES:
            (folder / "DB_3" / split / name).mkdir(parents=True, exist_ok=True)
    numbers = dict.fromkeys(CLASSES, 0)
    for slide in range(1, fields_per_class + 1):
        count = draw_count(cells_per_field, phantom.field.cells_spread, np.random.default_rng([seed, 1, slide]))
        harvest = take_patches(phantom, slide, count=count, scale=scale, seed=seed)
        for name in CLASSES:
            for index, patch in enumerate(getattr(harvest, name)[:count], start=1):
                numbers[name] += 1
                target = folder / "DB_3" / split_of(numbers[name]) / name
                Image.fromarray(patch).save(target / f"slide_{slide:03d} ({index}).png")
        if progress is not None:
            progress(slide, fields_per_class)


def take_patches(phantom: Phantom, slide: int, *, count: int, scale: float, seed: int) -> Harvest:
    """Photographs fields of a slide until they have given `count` patches of each class, or more.

    Args:
        phantom: the biology table.
        slide: its number, from 1, which also tells the class of its cells.
        count: patches wanted of each class.
        scale: size over the published patches'.
        seed: of the whole dataset.
    """
    preparation = prepare(phantom.slide, fine_scale(phantom, scale), [seed, 0, slide])
    side = max(round(SIDE * scale), LEAST)
    harvest = Harvest()
    for number in range(1, FIELDS + 1):
        entropy = [seed, 0, slide, number]
        smear = take_smear(phantom, SEVERITY[slide % 4], preparation, scale=scale, seed=entropy)
        rng = np.random.default_rng([*entropy, 1])
        cells = _on_nuclei(smear, side, rng)
        harvest.cell += cells
        harvest.background += _off_nuclei(smear, side, max(len(cells), 2), rng)
        if min(len(harvest.cell), len(harvest.background)) >= count:
            break
    return harvest


def _cut(image: NDArray[Pixel], centre: NDArray[np.float64], side: int) -> NDArray[Pixel] | None:
    """The patch of this side about a centre; None where it reaches over the picture's edge."""
    left, top = np.floor(centre - side / 2 + 0.5).astype(int)
    if min(left, top) < 0 or top + side > image.shape[0] or left + side > image.shape[1]:
        return None
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def _on_nuclei(smear: Smear, side: int, rng: np.random.Generator) -> Patches:
    """Patches centred on the nuclei, a tenth of their side or less beside the middle."""
    middles = [cell.nucleus.mean(axis=0) + rng.uniform(-0.1, 0.1, 2) * side for cell in smear.cells]
    return [patch for middle in middles if (patch := _cut(smear.image, middle, side)) is not None]


def _off_nuclei(smear: Smear, side: int, count: int, rng: np.random.Generator) -> Patches:
    """Up to `count` patches without a cell's nucleus: on leukocytes, on the rims of cells, and anywhere."""
    height, width = smear.image.shape[:2]
    nuclei = np.zeros((height, width), np.float32)
    for cell in smear.cells:
        nuclei = np.maximum(nuclei, coverage(cell.nucleus, (height, width)))
    leukocytes = list(rng.permutation(smear.leukocytes))
    patches: Patches = []
    for _ in range(4 * count):
        chance, centre = rng.random(), rng.uniform(0, [width, height])
        if chance < ON_LEUKOCYTE and leukocytes:
            centre = leukocytes.pop() + rng.uniform(-0.1, 0.1, 2) * side
        elif chance < ON_LEUKOCYTE + ON_RIM:
            rim = smear.cells[int(rng.integers(len(smear.cells)))].cytoplasm
            centre = rim[int(rng.integers(len(rim)))]
        covered = _cut(nuclei, centre, side)
        patch = _cut(smear.image, centre, side)
        if patch is not None and covered is not None and not covered.any():
            patches.append(patch)
        if len(patches) == count:
            break
    return patches
