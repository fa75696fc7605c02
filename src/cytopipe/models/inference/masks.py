"""Predict the masks of a dataset; with folds, no training image is segmented by a model trained on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cytopipe.core.io.workers import ordered_map
from cytopipe.data.manifest import Row
from cytopipe.models.files import fold_part
from cytopipe.models.folds import Folds
from cytopipe.models.inference.mask_files import read_windows, write_mask
from cytopipe.models.inference.segment import Segmentation
from cytopipe.paths import PREDICTED

CHUNK = 16  # images that a process takes at a time,
CHUNK_PX = 4_000_000  # or fewer where they are large


def generate_masks(
    organized: Path,
    rows: Sequence[Row],
    segmenter: Path,
    trained_on_it: bool,
    target: Path,
    device: torch.device,
    progress: Callable[[Iterable[Any], int], Iterable[Any]],
    workers: int = 1,
) -> list[Row]:
    """Write the palette mask of every image as `<id>.png`, in the size of the image.

    Args:
        organized: folder of the images.
        rows: manifest of the images.
        segmenter: model folder, with its folds if it has any.
        trained_on_it: whether the segmenter was trained on this dataset, so that its folds are folds of these images.
        target: existing empty folder.
        device: device to predict on.
        progress: wraps the iteration over a number of images, to show progress.
        workers: number of processes that decode images, and of those that encode masks; the network runs in this one.

    Returns:
        The manifest with the predicted masks, in the order of `rows`.
    """
    done: dict[str, Row] = {}
    for model_folder, chosen in models_of(rows, segmenter, trained_on_it).items():
        segmentation = Segmentation.load(model_folder, device)
        read, write = partial(read_windows, organized, segmentation.view), partial(write_mask, target)
        chunk = max(1, min(CHUNK, CHUNK_PX // max(row.width * row.height for row in chosen)))
        with closing(ordered_map(read, chosen, workers, chunk)) as images:
            masks = ((row.id, mask) for row, mask in zip(chosen, segmentation.masks_of(images), strict=True))
            with closing(ordered_map(write, masks, workers, chunk)) as hashes:
                for row, digest in progress(zip(chosen, hashes, strict=True), len(chosen)):
                    done[row.id] = replace(row, mask_path=f"{PREDICTED}/{row.id}.png", mask_sha256=digest)
    return [done[row.id] for row in rows]


def models_of(rows: Sequence[Row], segmenter: Path, trained_on_it: bool) -> dict[Path, list[Row]]:
    """Group images by the model folder that segments them: with folds, never by a model that was trained on them.

    Raises:
        CytopipeError: a training image is in no fold.
    """
    folds = Folds.read(segmenter) if trained_on_it else Folds({}, segmenter)
    chosen: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        own_fold = folds and row.split == "train"
        chosen[segmenter / fold_part(folds.of(row.id)) if own_fold else segmenter].append(row)
    return chosen
