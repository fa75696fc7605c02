"""The learner of classifiers: the trainer of the stage `train_classifier`, stopped at the rungs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cytopipe.core.params import Classifier, Fit
from cytopipe.data.splits import join_copies
from cytopipe.data.tensors import join, load_split
from cytopipe.metrics.classification import classification_metrics
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import Measured, measured
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.search.learner import UNSAVED, Config, Part, Progress
from cytopipe.search.space import argument_names
from cytopipe.search.stopping import best_of, until_epoch
from cytopipe.training.data import Labelled
from cytopipe.training.train_classifier import ClassifierJob, fit_classifier
from cytopipe.training.workspace import Workspace

SMALLEST = 1e-12  # probability in the logarithmic loss


@dataclass
class ClassifierLearner:
    """Trains classifiers on the training and validation images of a dataset's tensors; no other array is opened.

    Attributes:
        base: the classifier whose parameters are varied.
        tensors: folder of the tensors.
        fit: how the images became their squares.
        measure: the objective.
        workspace: device, threads and scratch folder.
    """

    base: Classifier
    tensors: Path
    fit: Fit
    measure: str
    workspace: Workspace
    labels: list[str] = field(init=False)
    groups: list[str] = field(init=False)
    units: list[str] = field(init=False)

    def __post_init__(self) -> None:
        loaded = [load_split(self.tensors, split) for split in ("train", "val")]
        rows = [row for _, part in loaded for row in part]
        self.labels, self.groups = [row.label for row in rows], [row.group for row in rows]
        self.units = join_copies(self.groups, [row.sha256 for row in rows])
        self._items = join(loaded[0][0], loaded[1][0])
        self._truth = np.array([row.class_index for row in rows])
        order = {row.class_index: row.label for row in rows}
        self._classes = tuple(order[index] for index in sorted(order))

    def arguments(self, architecture: str) -> frozenset[str]:
        """Names of the arguments that an architecture takes; see `Learner`."""
        return argument_names(architecture) - {"num_classes", "in_channels"}

    def advance(
        self, config: Config, part: Part, until: int, folder: Path, asked: np.ndarray | None = None
    ) -> Progress:
        """Train up to an epoch; see `Learner`. Answers are probabilities, N x classes."""
        assert isinstance(config, Classifier)
        with tempfile.TemporaryDirectory(dir=self.workspace.scratch) as scratch:
            place = replace(self.workspace, scratch=Path(scratch), checkpoints=folder)
            job = ClassifierJob(config, self._classes, (), self.tensors, UNSAVED, place, self.fit)
            epochs = config.training.epochs
            trained, history = until_epoch(
                place,
                until,
                epochs,
                lambda place: fit_classifier(
                    replace(job, workspace=place), self._labelled(part.train), self._labelled(part.held)
                ),
            )
            value = best_of(history)[f"val_{self.measure}"]
            if trained is None:
                return Progress(value)
            images = self._items.take(part.held if asked is None else asked)
            transform = input_transform(trained.spec, place.device)
            return Progress(value, class_probabilities(trained.model, transform, images, tta=trained.spec.tta))

    def judge(self, images: np.ndarray, answers: np.ndarray) -> Measured:
        """The objective of pooled probabilities; see `Learner`."""
        return judge_classes(self.measure, self._truth[images], answers, [self.groups[index] for index in images])

    def _labelled(self, images: np.ndarray) -> Labelled:
        return Labelled(self._items.take(images), self._truth[images])


def judge_classes(measure: str, truth: np.ndarray, probabilities: np.ndarray, groups: list[str]) -> Measured:
    """An objective of classifiers with its interval over groups.

    Args:
        measure: accuracy, macro_f1 or loss.
        truth: N class indices.
        probabilities: N x classes.
        groups: N groups.
    """
    if measure == "loss":
        losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], SMALLEST))
        return measured(ratio(losses, np.ones(len(truth)), groups), "positive")
    found: Mapping[str, Measured] = classification_metrics(truth, probabilities, groups)
    return found[measure]
