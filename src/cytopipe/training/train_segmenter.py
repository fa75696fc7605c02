"""Train a segmenter, and with `cross_fit: K` one more per fold, to segment each training image without having seen it.

A classifier that is trained on better masks than it gets at test time learns to rely on them too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cytopipe.adapters.base import AnnotatedField
from cytopipe.core.params import Reading, Segmenter, Training
from cytopipe.data.imaging.decode import AS_FULL
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.files import MAIN, fold_part
from cytopipe.models.transforms import InputTransform
from cytopipe.training.data import TrainingLoader
from cytopipe.training.feeding import host_augmenter
from cytopipe.training.field_segmentation import fit_field_segmenter
from cytopipe.training.fine_tuning import finish_fine_tuning, prepare_fine_tuning
from cytopipe.training.folds import assign_folds
from cytopipe.training.segmentation import SegmentationTask, make_segmenter, typical_sizes, write_windows
from cytopipe.training.several import train
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace


@dataclass(frozen=True)
class SegmenterJob:
    """A segmenter to train; its trainings share these fields.

    Attributes:
        config: parameters of the segmenter.
        organized: folder of the organized dataset.
        data_hash: SHA-256 of the training data, for the model folders.
        workspace: device, folders and progress reports.
        fields: annotated fields of the dataset, which `view: fields` trains on.
        reading: how their image files are read.
    """

    config: Segmenter
    organized: Path
    data_hash: str
    workspace: Workspace
    fields: Sequence[AnnotatedField] = ()
    reading: Reading = AS_FULL


@dataclass(frozen=True)
class TrainedSegmenter:
    """Networks by part of the model folder (MAIN, "folds/0", ...), and the fold of each training image."""

    networks: Mapping[str, Trained]
    folds: Mapping[str, int]

    @property
    def main(self) -> Trained:
        """The network that was trained on all training images."""
        return self.networks[MAIN]


def train_segmenter(job: SegmenterJob, rows: Sequence[Row]) -> TrainedSegmenter:
    """Train the main segmenter, and one per fold on the images outside this fold.

    An architecture that needs no training (`otsu`) is only set up.

    Args:
        job: the segmenter and its surroundings.
        rows: manifest of the dataset.

    Raises:
        CytopipeError: there are too few groups, a split has no ground-truth mask, or a loss is not finite.
    """
    config = job.config
    if config.training and config.view == "fields":
        place = job.workspace.of(MAIN)
        network = fit_field_segmenter(config, config.training, job.fields, rows, job.data_hash, place, job.reading)
        return TrainedSegmenter({MAIN: network}, {})
    check_masks(rows, config)
    if config.training is None:
        model, spec = make_segmenter(config, job.data_hash, typical_sizes(job.organized, rows))
        return TrainedSegmenter({MAIN: Trained(model, spec, [])}, {})
    folds = assign_folds(rows, config.cross_fit, config.training.seed)
    networks = {MAIN: fit_segmenter(job, config.training, rows, MAIN)}
    for fold in range(config.cross_fit):
        others = [row for row in rows if folds.get(row.id) != fold]
        check_masks(others, config, f" outside fold {fold} of cross_fit")
        networks[fold_part(fold)] = fit_segmenter(job, config.training, others, fold_part(fold))
    return TrainedSegmenter(networks, folds)


def with_masks(rows: Sequence[Row], split: str) -> list[Row]:
    """The rows of a split that have a true mask: a segmenter trains on these and is tested on these."""
    return [row for row in rows if row.split == split and row.mask_path]


def check_masks(rows: Sequence[Row], config: Segmenter, where: str = "") -> None:
    """Check that each split has masks that a segmenter needs of it.

    Args:
        rows: manifest of the images.
        config: parameters of the segmenter; one without training needs none.
        where: which images they are, for the message.

    Raises:
        CytopipeError: a split has images, but none of them has a mask.
    """
    if config.training is None:
        return
    for split in ("train",) if where else ("train", "val", "test"):
        if not with_masks(rows, split):
            there = sum(row.split == split for row in rows)
            raise CytopipeError(
                f"none of the {there} images of the split '{split}'{where} has a true mask: a segmenter trains on "
                "those of train, chooses its epoch on those of val and is tested on those of test",
                where=f"datasets.{config.dataset}",
                hint="give more images a mask, or change split.seed until every split has some; or use architecture: "
                "otsu, which needs no training",
            )


def fit_segmenter(job: SegmenterJob, recipe: Training, rows: Sequence[Row], part: str) -> Trained:
    """Train one network on the training split; the validation split chooses the epoch.

    Args:
        job: the segmenter and its surroundings.
        recipe: parameters of the training.
        rows: manifest of the images; those of the test split are ignored.
        part: part of the model folder.

    Raises:
        CytopipeError: an image has no ground-truth mask, a loss is not finite, or the network lacks what `fine_tune` or
            `layer_decay` need.
    """
    place = job.workspace.of(part)
    model, spec = make_segmenter(job.config, job.data_hash, typical_sizes(job.organized, rows))
    assert spec.view is not None  # every segmenter has one
    model = model.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch
    prepare_fine_tuning(model, recipe)
    images, validation = (
        write_windows(place.scratch / f"{split}.npy", job.organized, with_masks(rows, split), spec.view)
        for split in ("train", "val")
    )
    transform = InputTransform("rgb", spec.mean, spec.std, place.device)
    task = SegmentationTask(model, transform, validation, recipe.batch_size, recipe.compile)
    loader = TrainingLoader(
        images, host_augmenter(recipe), recipe.batch_size, recipe.seed, place.num_workers, recipe.steps_per_epoch
    )
    history, precision = train(model, task, loader, recipe, place)
    finish_fine_tuning(model)
    return Trained(model, spec.model_copy(update={"precision": precision, **place.several}), history)
