"""Metrics of the outlines of single cells over all fields: aggregated Jaccard index, panoptic quality, and those of the
challenge of overlapping cervical cells.

Kumar et al. 2017, "A Dataset and a Technique for Generalized Nuclear Segmentation for Computational Pathology",
doi:10.1109/TMI.2017.2677499 (AJI); Kirillov et al. 2019, "Panoptic Segmentation", arXiv:1801.00868 (PQ); Lu et al.
2017, "Evaluation of Three Algorithms for the Segmentation of Overlapping Cervical Cells",
doi:10.1109/JBHI.2016.2519686 (ISBI 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytopipe.metrics.clusters import each_left_out
from cytopipe.metrics.detection import ScreenedField, Shape, assign
from cytopipe.metrics.intervals import Measured, measured

KIND = "contours"
GOOD_DICE = 0.7  # of a cell that is outlined well, as ISBI 2014 has it
_LEAST_IOU = GOOD_DICE / (2 - GOOD_DICE)  # of the same cell


def instance_metrics(fields: Sequence[ScreenedField]) -> dict[str, Measured]:
    """The metrics of outlines, each with a 95 % interval over groups of fields.

    A found cell at the edge of its field without a match counts in none of them; see `metrics.detection.EDGE`.

    Args:
        fields: at least one field.

    Returns:
        `aji`: aggregated Jaccard index. `pq`, `sq`, `rq`: panoptic quality, the mean overlap of matched outlines and
        the F1 of finding them. `isbi_dice`: mean Dice of the annotated cells that are found with a Dice above 0.7.
        `isbi_missed`: share of annotated cells that are not. `isbi_true_pixels`, `isbi_false_pixels`: shares of the
        pixels of those cells that are found, and of pixels found beside them, in pixels of those cells.
    """
    tally = np.array([_tally(field) for field in fields], float)
    left = each_left_out(lambda rows: _measures(tally[rows]), [field.group for field in fields])
    return {name: measured(one, "positive" if name == "isbi_false_pixels" else "share") for name, one in left.items()}


def _tally(field: ScreenedField) -> list[float]:
    true, counted = [cell.shape for cell in field.true], field.counts(KIND)
    found = [field.found[place].shape for place in counted]
    ious = field.overlaps[KIND][counted]
    both, union = _aggregated(true, found, ious)
    matches = field.matches(KIND)
    overlap = sum(float(field.overlaps[KIND][pair]) for pair in matches.items())
    good = [(place, cell) for place, cell in assign(ious, _LEAST_IOU).items() if ious[place, cell] > _LEAST_IOU]
    dices = [2 * ious[pair] / (1 + ious[pair]) for pair in good]
    shared = [_shared(found[place], true[cell], ious[place, cell]) for place, cell in good]
    shares = [one / true[cell].area for one, (_, cell) in zip(shared, good, strict=True)]
    beside = [(found[place].area - one) / true[cell].area for one, (place, cell) in zip(shared, good, strict=True)]
    return [both, union, len(true), len(found), len(matches), overlap, len(good), sum(dices), sum(shares), sum(beside)]


def _shared(one: Shape, other: Shape, iou: float) -> float:
    """Pixels that two shapes share."""
    return float(round(iou * (one.area + other.area) / (1 + iou)))


def _aggregated(true: Sequence[Shape], found: Sequence[Shape], ious: np.ndarray) -> tuple[float, float]:
    """Sums of the intersections and of the unions of the aggregated Jaccard index."""
    both = union = 0.0
    used = np.zeros(len(found), bool)
    for place, cell in enumerate(true):
        best = int(np.argmax(ious[:, place])) if len(found) else -1
        if best < 0 or ious[best, place] == 0:
            union += cell.area
            continue
        shared = _shared(found[best], cell, ious[best, place])
        both += shared
        union += cell.area + found[best].area - shared
        used[best] = True
    return both, union + sum(shape.area for shape, taken in zip(found, used, strict=True) if not taken)


def _measures(tally: np.ndarray) -> dict[str, float | None]:
    both, union, true, counted, matched, overlap, good, dice, shares, beside = tally.sum(axis=0)
    return {
        "aji": _share(both, union),
        "pq": _share(2 * overlap, true + counted),
        "sq": _share(overlap, matched),
        "rq": _share(2 * matched, true + counted),
        "isbi_dice": _share(dice, good),
        "isbi_missed": _share(true - good, true),
        "isbi_true_pixels": _share(shares, good),
        "isbi_false_pixels": _share(beside, good),
    }


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
