"""Train a segmenter once, and with `cross_fit: K` once more a fold, so that no image is masked by its own student.

A classifier that trains on masks better than those it will meet at test time learns to trust them too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cytopipe.data.manifest import Row
from cytopipe.data.splits import divide
from cytopipe.imaging.decode import read_png
from cytopipe.imaging.masks import read_mask
from cytopipe.inference.segment import Segmentation
from cytopipe.metrics.segmentation import distances_of_parts, overlap_of_parts
from cytopipe.models.folder import MAIN, ModelSpec, part_of
from cytopipe.params import Segmenter
from cytopipe.training.loop import Epoch
from cytopipe.training.segmenter import make_segmenter, train_segmenter
from cytopipe.training.sizes import typical_sizes
from cytopipe.training.workspace import Workspace


@dataclass(frozen=True)
class TrainedSegmenter:
    """Networks by part ("" is the main one, "folds/0" the first fold), the fold of each training image, history."""

    models: Mapping[str, tuple[nn.Module, ModelSpec]]
    folds: Mapping[str, int]
    history: Sequence[Epoch]


def train_with_folds(
    config: Segmenter, organized: Path, rows: Sequence[Row], data_hash: str, workspace: Workspace
) -> TrainedSegmenter:
    """Train the main segmenter and one a fold, each fold's without that fold's groups.

    An architecture without a training (`otsu`) is only set up.
    """
    if config.training is None:
        made = make_segmenter(config, data_hash, typical_sizes(organized, rows))
        return TrainedSegmenter({MAIN: made}, {}, [])
    folds = assign_folds(rows, config.cross_fit, config.training.seed)
    models = {}
    history: list[Epoch] = []
    for part in (MAIN, *map(part_of, range(config.cross_fit))):
        taught = [row for row in rows if part == MAIN or row.id not in folds or part != part_of(folds[row.id])]
        model, spec, epochs = train_segmenter(config, config.training, organized, taught, data_hash, workspace.of(part))
        models[part] = (model, spec)
        history = history or epochs
    return TrainedSegmenter(models, folds, history)


def assign_folds(rows: Sequence[Row], count: int, seed: int) -> dict[str, int]:
    """Fold of each training image; groups stay together and classes are spread. Empty for count 0.

    Raises:
        CytopipeError: when there are too few groups for so many folds.
    """
    if not count:
        return {}
    train = [row for row in rows if row.split == "train"]
    where = "segmenters.*.cross_fit"
    parts = divide([row.label for row in train], [row.group for row in train], [1 / count] * count, seed, where)
    return {row.id: part for row, part in zip(train, parts, strict=True)}


def test_segmenter(
    trained: tuple[nn.Module, ModelSpec], organized: Path, rows: Sequence[Row], workspace: Workspace
) -> list[dict[str, Any]]:
    """Overlap and boundary distance of each part on test images in their own size.

    Returns:
        One row per test image with a true mask: id, group and every measure.
    """
    test = [row for row in rows if row.split == "test" and row.mask_path]
    segmentation = Segmentation.of(*trained, workspace.device)
    masks = segmentation.masks(read_png(organized / row.path) for row in test)
    table: list[dict[str, Any]] = []
    for row, mask in zip(test, masks, strict=True):
        truth = read_mask(organized / row.mask_path)
        measured = {**overlap_of_parts(truth, mask), **distances_of_parts(truth, mask)}
        table.append({"id": row.id, "group": row.group, **measured})
    return table
