"""Evaluation of a trained segmenter on the test images that have true masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import tee
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row
from cytopipe.metrics.segmentation import distances_of_parts, overlap_of_parts
from cytopipe.models.inference.segment import Segmentation
from cytopipe.results.model_spec import ModelSpec


def evaluate_segmenter(
    model: nn.Module, spec: ModelSpec, organized: Path, rows: Sequence[Row], device: torch.device
) -> list[dict[str, Any]]:
    """Compute overlap and boundary distance of each part on test images, at their original size.

    Args:
        model: the network, on `device`.
        spec: specification of the network.
        organized: folder of the organized dataset.
        rows: rows of its manifest.
        device: device of the computation.

    Returns:
        One row per test image with a true mask: `id`, `group` and every metric.
    """
    test = [row for row in rows if row.split == "test" and row.mask_path]
    return overlaps(Segmentation.of(model, spec, device), organized, test)


def overlaps(segmentation: Segmentation, organized: Path, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Compute overlap and boundary distance of each part on images with true masks, at their original size.

    Args:
        segmentation: the segmenter.
        organized: folder of the organized dataset.
        rows: rows of its manifest, all with a mask.

    Returns:
        One row per image: `id`, `group` and every metric.
    """
    seen, waiting = tee(rows)
    masks = segmentation.masks(read_png(organized / row.path) for row in seen)
    table: list[dict[str, Any]] = []
    for row, mask in zip(waiting, masks, strict=True):
        truth = read_mask(organized / row.mask_path)
        measured = {**overlap_of_parts(truth, mask), **distances_of_parts(truth, mask)}
        table.append({"id": row.id, "group": row.group, **measured})
    return table
