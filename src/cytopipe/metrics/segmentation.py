"""Overlap and boundary distance of two masks of one image."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance

from cytopipe.data.imaging.masks import CYTOPLASM, NUCLEUS

PARTS = ("cell", "nucleus", "cytoplasm")
MEASURES = ("dice", "iou", "pixel_accuracy")
DISTANCE = "hd95"


def part(mask: np.ndarray, name: str) -> np.ndarray:
    """One part of a palette mask as H x W booleans; the cell is cytoplasm and nucleus together."""
    if name == "cell":
        return mask >= CYTOPLASM
    chosen: np.ndarray = mask == (NUCLEUS if name == "nucleus" else CYTOPLASM)
    return chosen


def overlap(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Dice, IoU and pixel accuracy of two boolean masks of the same shape.

    Dice and IoU of two empty masks are 1.

    >>> overlap(np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0], bool))["dice"]
    0.6666666666666666
    """
    both = float(np.logical_and(truth, predicted).sum())
    total = float(truth.sum() + predicted.sum())
    return {
        "dice": 2 * both / total if total else 1.0,
        "iou": both / (total - both) if total else 1.0,
        "pixel_accuracy": float((truth == predicted).mean()),
    }


def overlap_of_parts(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`<measure>_<part>` of two palette masks, H x W."""
    return {
        f"{measure}_{name}": value
        for name in PARTS
        for measure, value in overlap(part(truth, name), part(predicted, name)).items()
    }


def hausdorff95(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """95th percentile Hausdorff distance of two H x W boolean masks, in pixels, the larger of both directions (MONAI).

    It is 0 for two empty masks, and None (not defined) if only one mask is empty.
    """
    if not truth.any() or not predicted.any():
        return None if truth.any() or predicted.any() else 0.0
    first, second = (torch.from_numpy(mask)[None, None] for mask in (predicted, truth))
    with warnings.catch_warnings():  # MONAI warns about an argument that it passes itself
        warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)
        return float(compute_hausdorff_distance(first, second, include_background=True, percentile=95))


def distances_of_parts(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    """`hd95_<part>` of two palette masks, H x W, in pixels."""
    return {f"{DISTANCE}_{name}": hausdorff95(part(truth, name), part(predicted, name)) for name in PARTS}
