"""Shares of attribution on nucleus, cytoplasm and background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import measured

REGIONS = {"nucleus": NUCLEUS, "cytoplasm": CYTOPLASM, "background": BACKGROUND}
_CELL, _NUCLEUS = 3, 4  # channels of a stored item


def palette(item: np.ndarray) -> np.ndarray:
    """Stored item, H x W x 5 uint8 -> palette mask, H x W uint8."""
    inside, nucleus = item[..., _CELL] > 0, item[..., _NUCLEUS] > 0
    return np.where(nucleus, NUCLEUS, np.where(inside, CYTOPLASM, BACKGROUND)).astype(np.uint8)


def shares(weights: np.ndarray, mask: np.ndarray) -> dict[str, float] | None:
    """Share of absolute attribution on each region.

    Args:
        weights: H x W attribution map.
        mask: H x W palette mask.

    Returns:
        Three shares that sum to 1; None if the map is zero everywhere.
    """
    size = np.abs(weights)
    total = size.sum()
    if not total > 0:
        return None
    return {name: float(size[mask == value].sum() / total) for name, value in REGIONS.items()}


def areas(mask: np.ndarray) -> dict[str, float]:
    """Share of pixels of each region in an H x W palette mask, as a reference for the shares of attribution."""
    return {name: float((mask == value).mean()) for name, value in REGIONS.items()}


def summarise(values: Sequence[dict[str, float] | None], groups: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Mean of each region's share with its 95 % confidence interval over groups.

    Args:
        values: shares of each image; None is left out.
        groups: group of each image.

    Returns:
        mean, low and high of each region; low and high are None under 5 groups, and all are None without images.
    """
    known = [(one, group) for one, group in zip(values, groups, strict=True) if one is not None]
    if not known:
        return {region: {"mean": None, "low": None, "high": None} for region in REGIONS}
    table = np.array([[one[region] for region in REGIONS] for one, _ in known])
    means, limits = with_interval(table, [group for _, group in known])
    return {region: {"mean": means[i], **limits[i]} for i, region in enumerate(REGIONS)}


def with_interval(table: np.ndarray, groups: Sequence[str]) -> tuple[list[float], list[dict[str, Any]]]:
    """Mean of each column of images x columns and its 95 % confidence interval over groups (`metrics.intervals`)."""
    ones = np.ones(len(table))
    found = [measured(ratio(table[:, column], ones, groups)) for column in range(table.shape[1])]
    return [one.value or 0.0 for one in found], [{"low": one.low, "high": one.high} for one in found]
