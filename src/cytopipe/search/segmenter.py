"""The learner of segmenters: the trainer of the stage `train_segmenter`, stopped at the rungs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cytopipe.core.params import Segmenter
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.data.splits import join_copies
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.segmenter.evaluate import overlaps
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import Measured, measured
from cytopipe.models.files import MAIN
from cytopipe.models.inference.segment import Segmentation
from cytopipe.search.learner import UNSAVED, Config, Part, Progress
from cytopipe.search.space import argument_names
from cytopipe.search.stopping import best_of, until_epoch
from cytopipe.training.train_segmenter import SegmenterJob, fit_segmenter, with_masks
from cytopipe.training.workspace import Workspace

DICE = ("dice_cell", "dice_nucleus")


@dataclass
class SegmenterLearner:
    """Trains segmenters on the training and validation images that have a true mask; no test image is opened.

    Attributes:
        base: the segmenter whose parameters are varied.
        organized: folder of the organized dataset.
        manifest: its manifest.
        workspace: device, threads and scratch folder.
    """

    base: Segmenter
    organized: Path
    manifest: Path
    workspace: Workspace
    labels: list[str] = field(init=False)
    groups: list[str] = field(init=False)
    units: list[str] = field(init=False)

    def __post_init__(self) -> None:
        if self.base.view == "fields":
            raise CytopipeError(
                "a search does not train on whole fields",
                where="segmenters",
                hint="search with view: tiles, or choose the parameters of view: fields by hand",
            )
        rows = read_manifest(self.manifest)
        self._rows = [*with_masks(rows, "train"), *with_masks(rows, "val")]
        if not self._rows:
            raise CytopipeError(
                "no training or validation image has a true mask",
                where=self.manifest,
                hint="a search of a segmenter needs a dataset with masks",
            )
        self.labels, self.groups = [row.label for row in self._rows], [row.group for row in self._rows]
        self.units = join_copies(self.groups, [row.sha256 for row in self._rows])

    def arguments(self, architecture: str) -> frozenset[str]:
        """Names of the arguments that an architecture takes; see `Learner`."""
        return argument_names(architecture)

    def advance(
        self, config: Config, part: Part, until: int, folder: Path, asked: np.ndarray | None = None
    ) -> Progress:
        """Train up to an epoch; see `Learner`. Answers are the mean Dice of cell and nucleus of each image, N."""
        assert isinstance(config, Segmenter) and config.training is not None
        recipe = config.training
        rows = [*self._as(part.train, "train"), *self._as(part.held, "val")]
        with tempfile.TemporaryDirectory(dir=self.workspace.scratch) as scratch:
            place = replace(self.workspace, scratch=Path(scratch), checkpoints=folder)
            trained, history = until_epoch(
                place,
                until,
                recipe.epochs,
                lambda place: fit_segmenter(SegmenterJob(config, self.organized, UNSAVED, place), recipe, rows, MAIN),
            )
            value = best_of(history)["val_dice"]
            if trained is None:
                return Progress(value)
            judged = [self._rows[index] for index in (part.held if asked is None else asked)]
            segmentation = Segmentation.of(trained.model, trained.spec, place.device)
            table = overlaps(segmentation, self.organized, judged)
            return Progress(value, np.array([np.mean([row[key] for key in DICE]) for row in table]))

    def judge(self, images: np.ndarray, answers: np.ndarray) -> Measured:
        """Mean Dice; see `Learner`."""
        return measured(ratio(answers, np.ones(len(answers)), [self.groups[index] for index in images]))

    def _as(self, images: np.ndarray, split: str) -> Sequence[Row]:
        return [replace(self._rows[index], split=split) for index in images]
