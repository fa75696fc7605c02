"""Gallery of predicted masks from worst to best, with contours of truth and prediction drawn on the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cytopipe import paths
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import CYTOPLASM, NUCLEUS, read_mask
from cytopipe.report.pictures import SHOWN, Picture, photograph, shrink
from cytopipe.report.read import DatasetResults, Results, SegmenterResults
from cytopipe.results.segmenter import MaskScores

SHOWN_IMAGES = 12
WORST = 4  # of these are the very worst; the others are spread evenly over the ranking
PARTS = (("cell", CYTOPLASM), ("nucleus", NUCLEUS))


@dataclass(frozen=True)
class Outline:
    """Contours of a part as an SVG path; `source` is truth or prediction, `part` is cell or nucleus."""

    source: str
    part: str
    path: str


@dataclass(frozen=True)
class Overlay:
    """One cell: picture, outlines in pixels of `width` x `height`, Dice and distance by part, rank from the worst."""

    id: str
    label: str
    rank: int
    picture: Picture
    width: int
    height: int
    outlines: Sequence[Outline]
    dice: dict[str, float | None]
    distance: dict[str, float | None]


@dataclass(frozen=True)
class Gallery:
    """The overlays of one segmenter; `why` is the reason if there are none."""

    overlays: Sequence[Overlay]
    total: int
    why: str = ""


def gallery(one: SegmenterResults, results: Results) -> Gallery:
    """The gallery of a segmenter: test images of its dataset, worst Dice first."""
    dataset = results.datasets[one.config.dataset]
    if not one.overlaps:
        return Gallery([], 0, f"The test images of {dataset.name} have no true masks.")
    if dataset.config.segmenter != one.name:
        return Gallery([], 0, f"The masks of {dataset.name} are predicted by {dataset.config.segmenter}.")
    ranked = rank(one.overlaps)
    overlays = [_overlay(place + 1, ranked[place], dataset) for place in spread(len(ranked))]
    return Gallery(overlays, len(ranked))


def rank(overlaps: Sequence[MaskScores]) -> list[MaskScores]:
    """Sort images by mean Dice of cell and nucleus, worst first; an image without Dice counts as the worst."""
    return sorted(overlaps, key=lambda row: (_mean_dice(row), row.id))


def spread(count: int, shown: int = SHOWN_IMAGES, worst: int = WORST) -> list[int]:
    """Indices in a ranking: the first `worst`, and others evenly spaced up to the last."""
    if count <= shown:
        return list(range(count))
    rest = np.linspace(worst, count - 1, shown - worst + 1).round().astype(int)[1:]
    return [*range(worst), *rest.tolist()]


def contours(mask: np.ndarray, value: int) -> str:
    """SVG path around all pixels of at least `value` in an H x W mask, through the centres of the border pixels."""
    found, _ = cv2.findContours((mask >= value).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    shapes = sorted(contour[:, 0].tolist() for contour in found)
    return "".join("M" + "L".join(f"{x + 0.5:g},{y + 0.5:g}" for x, y in shape) + "Z" for shape in shapes)


def _overlay(place: int, row: MaskScores, dataset: DatasetResults) -> Overlay:
    entry = dataset.row(row.id)
    organized, predicted = paths.Organized(dataset.name), paths.Masks(dataset.name)
    image = read_png(organized.folder / entry.path)
    sources = {
        "truth": read_mask(organized.folder / entry.mask_path),
        "prediction": read_mask(predicted.predicted / f"{entry.id}.png"),
    }
    outlines = [
        Outline(source, part, path)
        for source, mask in sources.items()
        for part, value in PARTS
        if (path := contours(mask, value))
    ]
    height, width = image.shape[:2]
    return Overlay(
        entry.id,
        entry.label,
        place,
        photograph(shrink(image, SHOWN)),
        width,
        height,
        outlines,
        {part: row.scores.get(f"dice_{part}") for part, _ in PARTS},
        {part: row.scores.get(f"hd95_{part}") for part, _ in PARTS},
    )


def _mean_dice(row: MaskScores) -> float:
    values = [row.scores.get(f"dice_{part}") for part, _ in PARTS]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else -1.0
